/** PostGraphile 5 as its documentation sets it up for production, in one process. */
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { pgSmartTags } from 'postgraphile/utils';
import { requiredNumber, requiredText } from './environment.ts';

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  plugins: [
    // Prisma writes unique indexes, and PostGraphile finds a row only by a unique constraint. Without the tag its
    // clients would have to filter a list for what is a look-up in the others.
    pgSmartTags([
      { kind: 'class', match: 'tenant', tags: { unique: 'name_folded' } },
      { kind: 'class', match: 'fairshare_group', tags: { unique: 'name_folded' } },
    ]),
  ],
  pgServices: [
    makePgService({
      connectionString: requiredText('DATABASE_URL'),
      schemas: ['public'],
      poolConfig: { max: requiredNumber('POOL_SIZE') },
    }),
  ],
  grafast: { explain: false },
  grafserv: {
    watch: false,
    graphiql: false,
    websockets: false,
    // Writes the answer as text straight from the plan's values, without building it as objects first.
    outputDataAsString: true,
  },
});

const serv = instance.createServ(grafserv);
const server = createServer();
await serv.addTo(server);
server.listen(requiredNumber('PORT'), '127.0.0.1');

process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
  void Promise.resolve(serv.release()).then(() => process.exit(0));
});
