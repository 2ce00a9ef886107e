import { keyKinds } from '../../access/principal.ts';
import {
  type Scope,
  type ScopeTemplate,
  scopeNames,
  scopeRegistry,
  scopesOfKind,
  scopeTemplates,
} from '../../access/scopes.ts';
import type { KeyKind } from '../../database/generated/enums.ts';
import { builder, requires } from '../../graph/builder.ts';
import { KeyKindEnum } from '../keys/schema.ts';

export const ScopeTemplateEnum = builder.enumType('ScopeTemplateName', {
  description: 'A named set of scopes.',
  values: Object.fromEntries(
    Object.entries(scopeTemplates).map(([name, { description }]) => [
      name.toUpperCase(),
      { value: name as ScopeTemplate, description },
    ]),
  ) as Record<Uppercase<ScopeTemplate>, { value: ScopeTemplate; description: string }>,
});

const kinds = Object.keys(keyKinds) as readonly KeyKind[];

const ScopeType = builder.objectRef<Scope>('Scope').implement({
  description: 'One thing that a credential may do.',
  fields: (t) => ({
    name: t.string({ description: 'What keys and `@requiresScopes` call it.', resolve: (scope) => scope }),
    description: t.string({ description: 'What it allows.', resolve: (scope) => scopeRegistry[scope].description }),
    keyKinds: t.field({
      type: [KeyKindEnum],
      description: 'The kinds of key that may hold it.',
      resolve: (scope) => kinds.filter((kind) => scopesOfKind(kind).has(scope)),
    }),
    isClientSafe: t.boolean({
      description: 'Whether it is safe in a page or an app that anyone can take apart: publishable keys may hold it.',
      resolve: (scope) => scopesOfKind('PUBLISHABLE').has(scope),
    }),
    templates: t.field({
      type: [ScopeTemplateEnum],
      description: 'The templates that have it.',
      resolve: (scope) => templateNames.filter((name) => scopesOfTemplate(name).includes(scope)),
    }),
  }),
});

const templateNames = Object.keys(scopeTemplates) as readonly ScopeTemplate[];
const scopesOfTemplate = (name: ScopeTemplate): readonly Scope[] => scopeTemplates[name].scopes;

const KeyKindScopesType = builder.objectRef<KeyKind>('KeyKindScopes').implement({
  description: 'What one kind of key may hold.',
  fields: (t) => ({
    kind: t.field({ type: KeyKindEnum, description: 'The kind.', resolve: (kind) => kind }),
    scopes: t.field({
      type: [ScopeType],
      description: 'The scopes that it may hold.',
      complexity: { field: 1, multiplier: 1 },
      resolve: (kind) => [...scopesOfKind(kind)],
    }),
  }),
});

const ScopeTemplateType = builder.objectRef<ScopeTemplate>('ScopeTemplate').implement({
  description: 'A named set of scopes, for what keys and logins are commonly made for.',
  fields: (t) => ({
    name: t.field({ type: ScopeTemplateEnum, description: 'Its name.', resolve: (name) => name }),
    description: t.string({ description: 'What it is for.', resolve: (name) => scopeTemplates[name].description }),
    scopes: t.field({
      type: [ScopeType],
      description: 'Its scopes.',
      complexity: { field: 1, multiplier: 1 },
      resolve: (name) => [...scopesOfTemplate(name)],
    }),
  }),
});

const ScopeRegistryType = builder.objectRef<object>('ScopeRegistry').implement({
  description: 'All scopes that there are.',
  fields: (t) => ({
    scopes: t.field({
      type: [ScopeType],
      description: 'Every scope: those of this graph, then those of inference, which gateways enforce.',
      resolve: () => [...scopeNames],
    }),
    byKeyKind: t.field({
      type: [KeyKindScopesType],
      description: 'The scopes that each kind of key may hold.',
      resolve: () => [...kinds],
    }),
    templates: t.field({
      type: [ScopeTemplateType],
      description: 'The named sets.',
      resolve: () => [...templateNames],
    }),
  }),
});

builder.queryField('scopeRegistry', (t) =>
  t.field({
    ...requires(),
    type: ScopeRegistryType,
    description:
      'All scopes, what each kind of key may hold, and the named templates. Every valid credential may read it.',
    resolve: () => ({}),
  }),
);
