import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';

const AdmissionStats = graphql(`
  query AdmissionStats {
    stats {
      totals {
        inFlight
        queued
        maxInFlight
        gatewaysAlive
        admittedPerSecond
        refusedPerSecond
        settledPerSecond
        tokensPerSecond
        refusals {
          reason
          perSecond
        }
        queueWaitP50Ms
        queueWaitP99Ms
        oldestWaitMs
      }
      tenants {
        name
        inFlight
        queued
        admittedPerSecond
        refusedPerSecond
        settledPerSecond
        tokensPerSecond
      }
    }
  }
`);

/** Statistics of admission, all of them that a caller may see. */
export const statsOf = async (client: Client) => (await client.run(AdmissionStats)).stats;
