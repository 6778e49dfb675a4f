// Draws one dashboard from its committed JSON and the answers of a real Prometheus, with Grafana's own components.

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  DataFrame,
  dateTime,
  FieldConfigPropertyItem,
  Registry,
  ThemeContext,
  TimeRange,
} from '@grafana/data';
import { PanelChrome } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import { Answer, framesOf } from './frames';
import { Visualization } from './panels';

declare const SHOWN: {
  dashboard: any;
  answers: Record<string, Answer[]>; // by the panel's id
  values: Record<string, string>; // of the variables
  start: number;
  end: number;
};

const CELL = 38; // pixels that one row of Grafana's grid takes
const GAP = 8;
const WIDTH = 1500;
const HEAD = 92;

const theme = createTheme({ colors: { mode: 'dark' } });
const timeRange: TimeRange = {
  from: dateTime(SHOWN.start * 1000),
  to: dateTime(SHOWN.end * 1000),
  raw: { from: dateTime(SHOWN.start * 1000), to: dateTime(SHOWN.end * 1000) },
};

const STANDARD = ['unit', 'decimals', 'min', 'max', 'color', 'thresholds', 'noValue', 'displayName', 'mappings'];
const property = (path: string, isCustom: boolean) =>
  ({
    id: isCustom ? `custom.${path}` : path,
    path,
    name: path,
    isCustom,
    process: (value: unknown) => value,
    shouldApply: () => true,
  }) as unknown as FieldConfigPropertyItem;
// Grafana knows a panel's own settings from its plugin; here they are those that the panel uses.
function registryOf({ defaults, overrides }: any) {
  const ids: string[] = overrides.flatMap((one: any) => one.properties.map((each: any) => each.id));
  const overridden = ids.filter((id) => id.startsWith('custom.')).map((id) => id.replace('custom.', ''));
  const custom = new Set([...Object.keys(defaults.custom ?? {}), ...overridden]);
  return new Registry<FieldConfigPropertyItem>(() => [
    ...STANDARD.map((path) => property(path, false)),
    ...[...custom].map((path) => property(path, true)),
  ]);
}

function substitute(text: string): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, a, b) => SHOWN.values[a ?? b] ?? whole);
}

function prepare(panel: any, frames: DataFrame[]): DataFrame[] {
  if (!panel.fieldConfig) {
    return frames;
  }
  const shown = JSON.parse(substitute(JSON.stringify(panel.fieldConfig)));
  shown.defaults.custom ??= {};
  const ready = applyFieldOverrides({
    data: frames,
    fieldConfig: shown,
    replaceVariables: substitute,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry: registryOf(shown),
  });
  cacheFieldDisplayNames(ready);
  return ready;
}

function Panel({ panel, frames }: { panel: any; frames: DataFrame[] }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (WIDTH - GAP) / 24;
  const width = w * column - GAP;
  const height = h * CELL - GAP;
  const place = { left: GAP + x * column, top: HEAD + y * CELL, width, height };
  if (panel.type === 'row') {
    return <div className="row" style={place}>{panel.title}</div>;
  }
  return (
    <div className="panel" style={place}>
      <PanelChrome
        title={substitute(panel.title ?? '')}
        width={width}
        height={height}
        displayMode={panel.transparent ? 'transparent' : 'default'}
      >
        {(innerWidth, innerHeight) => (
          <Visualization panel={panel} frames={frames} width={innerWidth} height={innerHeight} timeRange={timeRange} />
        )}
      </PanelChrome>
    </div>
  );
}

function Head() {
  const chosen = SHOWN.dashboard.templating.list.filter((one: any) => one.type !== 'datasource');
  return (
    <div className="head">
      <h1>{SHOWN.dashboard.title}</h1>
      {chosen.map((one: any) => (
        <span className="variable" key={one.name}>
          <b>{one.label}</b>
          <i>{SHOWN.values[one.name] === one.allValue ? 'All' : SHOWN.values[one.name]}</i>
        </span>
      ))}
    </div>
  );
}

const STYLE = `
  body { margin: 0; background: ${theme.colors.background.canvas}; color: ${theme.colors.text.primary};
         font: 14px/1.57 ${theme.typography.fontFamily}; width: ${WIDTH}px; }
  * { box-sizing: border-box; }
  button, input { font: inherit; color: inherit; }
  h1 { font-size: 20px; font-weight: 500; margin: 0 0 8px; }
  h2 { font-size: 14px; font-weight: 500; margin: 0; }
  .head { padding: 10px ${GAP}px; height: ${HEAD - 6}px; }
  .variable { display: inline-flex; margin-right: 8px; border: 1px solid ${theme.colors.border.medium}; font-size: 12px; }
  .variable b, .variable i { padding: 3px 8px; font-style: normal; font-weight: 500; }
  .variable b { background: ${theme.colors.background.secondary}; }
  .variable i { background: ${theme.colors.background.primary}; }
  .panel, .row { position: absolute; }
  .row { font-size: 16px; font-weight: 500; line-height: 30px; }
  .empty { display: flex; height: 100%; align-items: center; justify-content: center; text-align: center;
           color: ${theme.colors.text.secondary}; padding: 0 20px; }
  .bars { display: flex; flex-direction: column; gap: 4px; }
  .markdown-html { font-size: 13.5px; }
  .markdown-html p, .markdown-html ul { margin: 0 0 8px; }
  .markdown-html ul { padding-left: 18px; }
  .markdown-html pre { background: ${theme.colors.background.primary}; padding: 8px; margin: 0 0 8px; overflow: hidden;
                       white-space: pre-wrap; word-break: break-all; }
`;

async function draw() {
  const panels = await Promise.all(
    SHOWN.dashboard.panels.map(async (panel: any) => ({
      panel: panel.type === 'text' ? { ...panel, options: { ...panel.options, content: substitute(panel.options.content) } } : panel,
      frames: prepare(panel, await framesOf(SHOWN.answers[panel.id] ?? [], panel.transformations ?? [])),
    }))
  );
  createRoot(document.getElementById('page')!).render(
    <ThemeContext.Provider value={theme}>
      <style>{STYLE}</style>
      <Head />
      {panels.map(({ panel, frames }) => (
        <Panel key={panel.id} panel={panel} frames={frames} />
      ))}
    </ThemeContext.Provider>
  );
}

draw();
