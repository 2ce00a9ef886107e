import {
  type ASTVisitor,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { RequestError } from './errors.ts';

/** How large an operation may be, with its fragments spread. */
export interface OperationLimits {
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
}

interface Size {
  depth: number;
  aliases: number;
  directives: number;
}

/** Past this, a count says nothing more; it keeps fragments that double each other from overflowing a number. */
const countMax = 1_000_000;

/**
 * A validation rule that measures each operation: how deep it nests, and how many aliases and directives it has.
 * A fragment counts each time it is spread, but is measured once. Introspection of the schema is left out of the depth,
 * since the standard query for it is deep.
 */
export const operationLimitsRule =
  ({ maxDepth, maxAliases, maxDirectives }: OperationLimits) =>
  (context: ValidationContext): ASTVisitor => {
    const measured = new Map<string, Size>();

    const sizeOfSelections = (set: SelectionSetNode | undefined): Size => {
      const size: Size = { depth: 0, aliases: 0, directives: 0 };
      for (const selection of set?.selections ?? []) {
        const inner = sizeOf(selection);
        size.depth = Math.max(size.depth, inner.depth);
        size.aliases = Math.min(size.aliases + inner.aliases, countMax);
        size.directives = Math.min(size.directives + inner.directives, countMax);
      }
      return size;
    };

    const sizeOf = (selection: SelectionNode): Size => {
      const directives = selection.directives?.length ?? 0;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const size = sizeOfFragment(selection.name.value);
        return { ...size, directives: size.directives + directives };
      }
      const inner = sizeOfSelections(selection.selectionSet);
      if (selection.kind === Kind.INLINE_FRAGMENT) return { ...inner, directives: inner.directives + directives };
      const isIntrospection = selection.name.value.startsWith('__');
      return {
        depth: isIntrospection ? 1 : inner.depth + 1,
        aliases: inner.aliases + (selection.alias === undefined ? 0 : 1),
        directives: inner.directives + directives,
      };
    };

    const sizeOfFragment = (name: string): Size => {
      const known = measured.get(name);
      if (known !== undefined) return known;
      // Stands in for a fragment that spreads itself, which another rule refuses.
      measured.set(name, { depth: 0, aliases: 0, directives: 0 });
      const fragment: FragmentDefinitionNode | null | undefined = context.getFragment(name);
      const size = sizeOfSelections(fragment?.selectionSet);
      measured.set(name, size);
      return size;
    };

    return {
      OperationDefinition: (operation: OperationDefinitionNode) => {
        const size = sizeOfSelections(operation.selectionSet);
        const directives = size.directives + (operation.directives?.length ?? 0);
        const check = (what: string, found: number, limit: number): void => {
          if (found <= limit) return;
          context.reportError(
            new RequestError(
              'OPERATION_TOO_LARGE',
              `The operation has ${found === countMax ? 'far too many' : found} ${what}; at most ${limit} are allowed.`,
              { limit },
            ),
          );
        };
        check('levels of fields', size.depth, maxDepth);
        check('aliases', size.aliases, maxAliases);
        check('directives', directives, maxDirectives);
      },
    };
  };
