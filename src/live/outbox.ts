/** What a committed change has to tell the rest of the system. */
export interface OutboxEvent {
  readonly topic: string;
  /** The tenant that it concerns; absent: the deployment. */
  readonly tenantId?: string;
  readonly payload: Readonly<Record<string, string | number | boolean | null>>;
}
