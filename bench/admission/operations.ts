/** What a gateway sends for each request that it serves. */

const admit = `mutation Admit($input: AdmitRequestInput!) { admitRequest(input: $input) { __typename
  ... on AdmitRequestPayload { lease { id expiresAt } queueWaitMs admission }
  ... on UserError { code message } } }`;

const settle = `mutation Settle($input: SettleRequestInput!) { settleRequest(input: $input) { __typename
  ... on SettleRequestPayload { isRepeated usageRecord { id costUsd } }
  ... on UserError { code message } } }`;

/** JSON text that a value goes into; the value needs no escaping. */
function template(query: string, input: object): (...values: readonly (string | number)[]) => string {
  const pieces = JSON.stringify({ query, variables: { input } }).split('"@"');
  return (...values) =>
    pieces.reduce((text, piece, index) => `${text}${JSON.stringify(values[index - 1] ?? '')}${piece}`);
}

export const estimate = { input: 250, output: 500 } as const;

/** @returns the body of a request to admit, by the caller's key and the request's id */
export const admitBody = (load: {
  readonly model: string;
  readonly gatewayId: string;
  readonly name: string;
}): ((key: string, requestId: string) => string) =>
  template(admit, {
    key: '@',
    requestId: '@',
    model: load.model,
    gatewayId: load.gatewayId,
    sessionId: load.name,
    estimatedInputTokens: estimate.input,
    estimatedOutputTokens: estimate.output,
  });

/** @returns the body of a settlement, by its lease and the tokens of the output */
export const settleBody: (leaseId: string, outputTokens: number) => string = template(settle, {
  leaseId: '@',
  outputTokens: '@',
  inputTokens: estimate.input,
  statusCode: 200,
  ttftMs: 180,
  totalMs: 2_400,
  cacheStatus: 'MISS',
});
