// Prometheus' answers as the data frames that Grafana's own data source makes of them, and the panel's transformations.

import {
  DataFrame,
  DataTransformerConfig,
  Field,
  FieldType,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

type Labels = Record<string, string>;
type Sample = [number, string];
export type Series = { metric: Labels; value?: Sample; values?: Sample[] };
export type Answer = { refId: string; format: string; legend: string; instant: boolean; step: number; series: Series[] };

const { mergeTransformer, organizeFieldsTransformer, convertFieldTypeTransformer, sortByTransformer } = standardTransformers;
const TRANSFORMERS = [mergeTransformer, organizeFieldsTransformer, convertFieldTypeTransformer, sortByTransformer];

standardTransformersRegistry.setInit(() =>
  TRANSFORMERS.map((one) => ({ id: one.id, name: one.name, transformation: async () => one }) as any)
);

export async function framesOf(answers: Answer[], transformations: DataTransformerConfig[]): Promise<DataFrame[]> {
  const courses = transformations.find((one) => one.id === 'timeSeriesTable');
  const frames = answers.flatMap((answer) => {
    if (courses && !answer.instant) {
      return courseTable(answer);
    }
    if (answer.format === 'table') {
      return answer.series.length ? [table(answer, answers.length > 1)] : [];
    }
    return answer.format === 'heatmap' ? buckets(answer) : answer.series.map((one) => curve(answer, one));
  });
  const others = transformations.filter((one) => one.id !== 'timeSeriesTable');
  return others.length ? lastValueFrom(transformDataFrame(others, frames)) : frames;
}

function curve(answer: Answer, series: Series): DataFrame {
  const samples = series.values ?? [series.value!];
  const name = legend(answer.legend, series.metric);
  return toDataFrame({
    refId: answer.refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: answer.step * 1000 }, values: samples.map(([time]) => time * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        config: { displayNameFromDS: name },
        labels: series.metric,
        values: samples.map(([, value]) => number(value)),
      },
    ],
  });
}

function table(answer: Answer, several: boolean): DataFrame {
  const labels = [...new Set(answer.series.flatMap((one) => Object.keys(one.metric)))].sort();
  return toDataFrame({
    refId: answer.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: answer.series.map((one) => one.value![0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: answer.series.map((one) => one.metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${answer.refId}` : 'Value',
        type: FieldType.number,
        values: answer.series.map((one) => number(one.value![1])),
      },
    ],
  });
}

// What the transformation "Time series to table" does, which is not in @grafana/data.
function courseTable(answer: Answer): DataFrame[] {
  const labels = Object.keys(answer.series[0]?.metric ?? {});
  return [
    toDataFrame({
      refId: answer.refId,
      fields: [
        ...labels.map((label) => ({
          name: label,
          type: FieldType.string,
          values: answer.series.map((one) => one.metric[label]),
        })),
        {
          name: `Trend #${answer.refId}`,
          type: FieldType.frame,
          values: answer.series.map((one) => ({ ...curve(answer, one), value: null })),
        },
      ],
    }),
  ];
}

// Buckets of a histogram, each without those below it.
function buckets(answer: Answer): DataFrame[] {
  const bound = (one: Series) => Number(one.metric.le.replace('+Inf', 'Infinity'));
  const sorted = [...answer.series].sort((a, b) => bound(a) - bound(b));
  return sorted.map((one, i) => {
    const below = i ? number(sorted[i - 1].value![1])! : 0;
    const alone = Math.max(0, number(one.value![1])! - below);
    return curve(answer, { metric: one.metric, value: [one.value![0], String(alone)] });
  });
}

function legend(format: string, labels: Labels): string {
  if (format === '__auto') {
    const inner = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
    return inner.length ? `{${inner.join(', ')}}` : 'Value';
  }
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
}

function number(text: string): number | null {
  const value = Number(text.replace('Inf', 'Infinity'));
  return Number.isNaN(value) ? null : value;
}

export function numbers(frames: DataFrame[]): Field[] {
  return frames.flatMap((frame) => frame.fields.filter((field) => field.type === FieldType.number));
}
