// Grafana's own components for the kinds of panels that the dashboards use.

import { DataFrame, FieldType, getDisplayProcessor, getFieldDisplayValues, renderMarkdown, TimeRange } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

export type Drawn = { panel: any; frames: DataFrame[]; width: number; height: number; timeRange: TimeRange };

export function Visualization(drawn: Drawn) {
  const { panel, frames } = drawn;
  const empty = !frames.some((frame) => frame.length > 0);
  if (panel.type === 'text') {
    return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />;
  }
  if (empty && panel.type !== 'stat') {
    return <div className="empty">{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
  }
  const Kind = { timeseries: Curves, trend: Trend, table: Rows, stat: Number_, bargauge: Bars }[panel.type as string]!;
  return <Kind {...drawn} />;
}

function Curves({ panel, frames, width, height, timeRange }: Drawn) {
  return (
    <TimeSeries
      frames={frames}
      width={width}
      height={height}
      timeRange={timeRange}
      timeZone="utc"
      legend={panel.options.legend}
      options={panel.options}
    />
  );
}

function Trend({ panel, frames, width, height, timeRange }: Drawn) {
  const [frame] = frames;
  const x = frame.fields.find((field) => field.name === panel.options.xField)!;
  const fields = [x, ...frame.fields.filter((field) => field !== x)].map((field, i) => ({
    ...field,
    state: { ...field.state, origin: { frameIndex: 0, fieldIndex: i } },
  }));
  const ordered = { ...frame, fields };
  return (
    <TimeSeries
      frames={[ordered]}
      preparePlotFrame={() => ordered}
      width={width}
      height={height}
      timeRange={timeRange}
      timeZone="utc"
      legend={panel.options.legend}
      options={panel.options}
    />
  );
}

function Rows({ panel, frames, width, height, timeRange }: Drawn) {
  return (
    <TableNG
      data={frames[0]}
      width={width}
      height={height}
      sortBy={panel.options.sortBy}
      timeRange={timeRange}
      fieldConfig={panel.fieldConfig}
      noValue={panel.fieldConfig.defaults.noValue}
      enableSharedCrosshair={false}
      cellHeight={panel.options.cellHeight}
    />
  );
}

function displayed({ panel, frames, timeRange }: Drawn, theme: ReturnType<typeof useTheme2>) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: (text) => text,
    theme,
    data: frames,
    timeZone: 'utc',
  });
}

function Number_(drawn: Drawn) {
  const theme = useTheme2();
  const { panel, width, height } = drawn;
  const [value] = drawn.frames.some((frame) => frame.length) ? displayed(drawn, theme) : [];
  const nothing = { text: panel.fieldConfig.defaults.noValue, numeric: NaN, color: theme.colors.text.disabled };
  return (
    <BigValue
      value={value?.display ?? nothing}
      width={width}
      height={height}
      theme={theme}
      colorMode={panel.options.colorMode}
      graphMode={panel.options.graphMode}
      textMode={panel.options.textMode}
      justifyMode={panel.options.justifyMode ?? 'auto'}
      text={panel.options.text}
    />
  );
}

function Bars(drawn: Drawn) {
  const theme = useTheme2();
  const { panel, width, height } = drawn;
  const values = displayed(drawn, theme);
  const each = Math.floor((height - 4 * (values.length - 1)) / values.length);
  const most = Math.max(...values.map((one) => one.display.numeric), 1);
  return (
    <div className="bars">
      {values.map((one, i) => (
        <BarGauge
          key={i}
          value={one.display}
          field={{ ...one.field, min: 0, max: most }}
          display={getDisplayProcessor({ field: { type: FieldType.number, config: one.field } as any, theme })}
          text={{ titleSize: 12, valueSize: 12 }}
          width={width}
          height={each}
          orientation={panel.options.orientation}
          displayMode={panel.options.displayMode}
          showUnfilled={panel.options.showUnfilled}
          valueDisplayMode={panel.options.valueMode}
          theme={theme}
          itemSpacing={4}
        />
      ))}
    </div>
  );
}
