"""Who may come in: TLS, tokens, and which addresses may be listened on without either."""
