import type { TestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { json, page, type Sent } from './lane.ts';

export const maxBodyBytes = 20_000;

const accepts = [
  undefined,
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'application/graphql-response+json,application/json;q=0.9',
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
  'text/html,application/xhtml+xml,*/*;q=0.8',
];

const skipping =
  'query ($yes: Boolean!) { tenants { totalCount @skip(if: $yes) edges { node { id @include(if: $yes) name } } } }';
const create =
  'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { __typename ... on CreateTenantPayload { tenant { id name } } ... on UserError { code message path } ... on ValidationError { issues { rule } } } }';
const update =
  'mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { __typename ... on UpdateTenantPayload { tenant { name revision description } } ... on UserError { code message path } } }';

interface Case {
  readonly name: string;
  readonly sent: () => Sent;
  readonly caller?: () => Client;
  readonly app?: TestApp;
  /** Default: that the lane carries it out. */
  readonly isDirect?: boolean;
}

interface Programs {
  readonly test: TestApp;
  /** Of which callers may not spend much. */
  readonly poor: TestApp;
  readonly tenantId: string;
}

/** What the lane carries out, and what it leaves to yoga, as it is sent to these programs. */
export function casesOf({ test, poor, tenantId }: Programs): readonly Case[] {
  const direct: readonly Case[] = [
    { name: 'a query without variables', sent: () => json('{ tenants { totalCount } }') },
    { name: 'a query with variables', sent: () => json(page, { first: 2, filter: { name: { contains: 'a' } } }) },
    { name: 'variables that are null', sent: () => ({ body: JSON.stringify({ query: page, variables: null }) }) },
    { name: 'variables that are not declared', sent: () => json(page, { unknown: 1 }) },
    { name: 'empty and missing extensions', sent: () => json(page, {}, { extensions: {}, operationName: null }) },
    { name: 'a variable of another type', sent: () => json(page, { first: 'many' }) },
    {
      name: 'a required variable that is missing',
      sent: () => json('query ($name: String!) { tenant(name: $name) { id } }', {}),
    },
    {
      name: 'one of several operations',
      sent: () =>
        json('query A { tenants { totalCount } } query B { fairshareGroups { totalCount } }', undefined, {
          operationName: 'B',
        }),
    },
    { name: 'fields that are left out', sent: () => json(skipping, { yes: true }) },
    { name: 'fields that are not left out', sent: () => json(skipping, { yes: false }) },
    {
      name: 'unicode',
      sent: () => json('query ($name: String!) { tenant(name: $name) { name } }', { name: 'ünïcode 🚀' }),
    },
    {
      name: 'variables named as parts of objects are',
      sent: () => ({
        body: `{"query":${JSON.stringify(page)},"variables":{"__proto__":{"first":1},"constructor":1,"filter":{"__proto__":{"x":1}}}}`,
      }),
    },
    {
      name: 'an error of an argument',
      sent: () => json('{ tenants(first: 0) { totalCount } tenant(name: "acme") { id } }'),
    },
    {
      name: 'an error in a field that can be null',
      sent: () => json('{\n tenant(id: "fsg_01j0000000e008000000000001") { id } fairshareGroups { totalCount } }'),
    },
    {
      name: 'a missing scope, which leaves nothing',
      sent: () => json('{ tenants { totalCount } auditLog { totalCount } }'),
      caller: () => test.withScopes('audit:read'),
    },
    {
      name: 'a missing scope below a list',
      sent: () => json('{ tenants { edges { node { name fairshareGroup { name } } } } }'),
      caller: () => test.withScopes('tenants:read'),
    },
    { name: 'introspection', sent: () => json('{ __type(name: "Tenant") { name fields { name } } }') },
    { name: 'a command that is carried out', sent: () => json(update, { input: { tenantId, description: 'same' } }) },
    { name: 'a command that omits what another gives', sent: () => json(update, { input: { tenantId } }) },
    { name: 'a command that is refused', sent: () => json(create, { input: { name: 'acme' } }) },
    { name: 'a command with input that breaks a rule', sent: () => json(create, { input: { name: ' ' } }) },
    {
      name: 'a command that is repeated under its key',
      sent: () => json(create, { input: { name: 'Replayed', idempotencyKey: 'in the input'.replaceAll(' ', '-') } }),
    },
    {
      name: 'a command that is repeated under its header',
      sent: () => ({
        ...json(create, { input: { name: 'Replayed by header' } }),
        headers: { 'idempotency-key': 'in-the-header' },
      }),
    },
    {
      name: 'a command that the scopes do not allow',
      sent: () => json(create, { input: { name: 'Denied' } }),
      caller: () => test.withScopes('tenants:read'),
    },
    {
      name: 'an operation that costs too much',
      sent: () => json(page, { first: 100 }),
      app: poor,
      caller: () => poor.withScopes('tenants:read'),
    },
    ...accepts.map((accept) => ({
      name: `Accept: ${accept}`,
      sent: () => ({ ...json(page), headers: accept === undefined ? {} : { accept } }),
    })),
    ...['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/graphql+json'].map((type) => ({
      name: `Content-Type: ${type}`,
      sent: () => ({ ...json(page), headers: { 'content-type': type } }),
    })),
    {
      name: 'a page of another origin, where none is allowed',
      sent: () => ({ ...json(page), headers: { origin: 'https://a.example' } }),
    },
  ];

  const declined: readonly Case[] = [
    { name: 'a name that no operation has', sent: () => json(page, undefined, { operationName: 'Other' }) },
    { name: 'an empty name', sent: () => json(page, undefined, { operationName: '' }) },
    { name: 'a name that is no text', sent: () => json(page, undefined, { operationName: 1 }) },
    { name: 'several operations without a name', sent: () => json('query A { __typename } query B { __typename }') },
    { name: 'a document that is not valid', sent: () => json('{ nothing }') },
    { name: 'a document that is broken', sent: () => json('{ tenants {') },
    { name: 'a subscription', sent: () => json('subscription { nothing }') },
    { name: 'a body that is broken', sent: () => ({ body: '{"query":' }) },
    { name: 'a body that is empty', sent: () => ({ body: '' }) },
    { name: 'a body that is a list', sent: () => ({ body: `[${json(page).body}]` }) },
    { name: 'a body that is null', sent: () => ({ body: 'null' }) },
    { name: 'no query', sent: () => ({ body: '{}' }) },
    { name: 'a query that is a number', sent: () => ({ body: '{"query":1}' }) },
    { name: 'variables that are a list', sent: () => ({ body: JSON.stringify({ query: page, variables: [] }) }) },
    { name: 'variables that are text', sent: () => ({ body: JSON.stringify({ query: page, variables: '{}' }) }) },
    { name: 'extensions that are a list', sent: () => json(page, undefined, { extensions: [] }) },
    { name: 'a field of no meaning', sent: () => json(page, undefined, { unknown: 1 }) },
    {
      name: 'a field named as the prototype is',
      sent: () => ({ body: `{"__proto__":{"query":"{ __typename }"},"query":${JSON.stringify(page)}}` }),
    },
    {
      name: 'a query in the prototype alone',
      sent: () => ({ body: `{"__proto__":{"query":${JSON.stringify(page)}}}` }),
    },
    { name: 'a body that is too long', sent: () => json(page, { x: 'x'.repeat(maxBodyBytes) }) },
    { name: 'a type that is not JSON', sent: () => ({ ...json(page), headers: { 'content-type': 'text/plain' } }) },
    { name: 'an answer as multipart', sent: () => ({ ...json(page), headers: { accept: 'multipart/mixed' } }) },
    { name: 'an answer of an unknown type', sent: () => ({ ...json(page), headers: { accept: 'image/png' } }) },
    { name: 'no credential', sent: () => json(page), caller: () => test.anonymous },
    {
      name: 'a wrong credential',
      sent: () => json(page),
      caller: () => test.anonymous.with({ 'x-admin-key': 'wrong' }),
    },
    {
      name: 'two credentials',
      sent: () => json(page),
      caller: () => test.operator.with({ authorization: 'Bearer two' }),
    },
    {
      name: 'a malformed credential',
      sent: () => json(page),
      caller: () => test.anonymous.with({ authorization: 'no' }),
    },
    {
      name: 'no credential, with the newer type',
      sent: () => ({ ...json(page), headers: { accept: 'application/graphql-response+json' } }),
      caller: () => test.anonymous,
    },
  ].map((each) => ({ ...each, isDirect: false }));
  return [...direct, ...declined];
}
