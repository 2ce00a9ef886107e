import {
  DirectiveLocation,
  GraphQLDirective,
  GraphQLList,
  GraphQLNonNull,
  GraphQLString,
  specifiedDirectives,
} from 'graphql';

const listOfStrings = new GraphQLList(new GraphQLNonNull(GraphQLString));

/** Printed on every field that needs scopes, from the declaration that enforces them. */
const requiresScopes = new GraphQLDirective({
  name: 'requiresScopes',
  description: 'What a field needs of its caller: all of the scopes of any one of the lists.',
  locations: [DirectiveLocation.FIELD_DEFINITION],
  args: {
    scopes: {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(listOfStrings))),
      description: 'Lists of scopes, any one of which is enough.',
    },
  },
});

/** The directives of the graph: GraphQL's own and ours. */
export const directives: readonly GraphQLDirective[] = [...specifiedDirectives, requiresScopes];
