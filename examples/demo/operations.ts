import { graphql } from '../generated/gql.ts';

/** What a gateway says to the control plane. */

export const registerGateway = graphql(`
  mutation DemoRegisterGateway($input: RegisterGatewayInput!) {
    registerGateway(input: $input) {
      ... on RegisterGatewayPayload {
        heartbeatSeconds
        gateway {
          id
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const gatewayHeartbeat = graphql(`
  mutation DemoHeartbeat($input: GatewayHeartbeatInput!) {
    gatewayHeartbeat(input: $input) {
      ... on GatewayHeartbeatPayload {
        heartbeatSeconds
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const deregisterGateway = graphql(`
  mutation DemoDeregisterGateway($input: DeregisterGatewayInput!) {
    deregisterGateway(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const admitRequest = graphql(`
  mutation DemoAdmit($input: AdmitRequestInput!) {
    admitRequest(input: $input) {
      ... on AdmitRequestPayload {
        queueWaitMs
        lease {
          id
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const renewLease = graphql(`
  mutation DemoRenew($input: RenewLeaseInput!) {
    renewLease(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const settleRequest = graphql(`
  mutation DemoSettle($input: SettleRequestInput!) {
    settleRequest(input: $input) {
      ... on SettleRequestPayload {
        isRepeated
        usageRecord {
          settlement
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

export const cancelRequest = graphql(`
  mutation DemoCancel($input: CancelRequestInput!) {
    cancelRequest(input: $input) {
      ... on CancelRequestPayload {
        cancellation
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);
