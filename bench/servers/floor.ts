/** The floor of cost: node:http, one prepared statement an operation, the answer built as JSON text by Postgres. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Pool, type QueryConfig } from 'pg';
import { requiredNumber, requiredText } from './environment.ts';

interface FloorRequest {
  readonly operation: string;
  readonly name?: string;
}

const pool = new Pool({ connectionString: requiredText('DATABASE_URL'), max: requiredNumber('POOL_SIZE') });

const tenantJson = `json_build_object('id', tenant.id, 'name', tenant.name, 'weight', tenant.weight,
  'status', tenant.status, 'createdAt', tenant.created_at, 'fairshareGroup', json_build_object(
    'id', fairshare_group.id, 'name', fairshare_group.name, 'weight', fairshare_group.weight))`;

const tenantByName = `
  select ${tenantJson}::text as body
  from tenant join fairshare_group on fairshare_group.id = tenant.fairshare_group_id
  where tenant.name_folded = $1`;

const tenantPage = `
  with candidate as (
    select tenant.name_folded, row_number() over (order by tenant.name_folded) as position, ${tenantJson} as node
    from tenant join fairshare_group on fairshare_group.id = tenant.fairshare_group_id
    order by tenant.name_folded
    limit 51)
  select json_build_object(
    'edges', (select json_agg(json_build_object('node', node) order by position) from candidate where position <= 50),
    'pageInfo', json_build_object(
      'hasNextPage', (select count(*) > 50 from candidate),
      'endCursor', (select encode(convert_to(name_folded, 'UTF8'), 'base64') from candidate where position = 50))
  )::text as body`;

const groups = `
  select json_build_object('edges', json_agg(json_build_object('node', json_build_object(
    'id', page.id, 'name', page.name, 'weight', page.weight,
    'tenants', json_build_object(
      'totalCount', (select count(*) from tenant where tenant.fairshare_group_id = page.id),
      'edges', coalesce((
        select json_agg(json_build_object('node', json_build_object(
          'id', listed.id, 'name', listed.name, 'weight', listed.weight)) order by listed.name_folded)
        from (
          select id, name, name_folded, weight from tenant
          where tenant.fairshare_group_id = page.id
          order by name_folded
          limit 10) as listed), '[]'::json))
    )) order by page.name_folded))::text as body
  from (select id, name, name_folded, weight from fairshare_group order by name_folded limit 20) as page`;

const createTenant = `
  insert into tenant (id, name, name_folded, fairshare_group_id, updated_at)
  select $1, $2::text, lower($2::text), fairshare_group.id, now() from fairshare_group where fairshare_group.name_folded = 'default'
  returning json_build_object('id', id, 'name', name, 'weight', weight)::text as body`;

function statementOf({ operation, name }: FloorRequest): QueryConfig {
  switch (operation) {
    case 'tenant':
      return { name: 'tenant', text: tenantByName, values: [name] };
    case 'tenantPage':
      return { name: 'tenantPage', text: tenantPage };
    case 'groups':
      return { name: 'groups', text: groups };
    case 'createTenant':
      return { name: 'createTenant', text: createTenant, values: [randomUUID(), name] };
    default:
      throw new Error(`unknown operation ${operation}`);
  }
}

async function answer(text: string, response: ServerResponse): Promise<void> {
  try {
    const { rows } = await pool.query<{ readonly body: string }>(statementOf(JSON.parse(text) as FloorRequest));
    const body = Buffer.from(rows[0]?.body ?? 'null');
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ errors: [String(error)] }));
  }
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    text += chunk;
  });
  request.on('end', () => void answer(text, response));
}

const server = createServer(handle).listen(requiredNumber('PORT'), '127.0.0.1');

process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
  void pool.end().then(() => process.exit(0));
});
