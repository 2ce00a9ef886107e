import type { Plugin } from 'graphql-yoga';
import type { ServerContext } from '../context.ts';
import type { ErrorPresenter } from './errors.ts';

/** Lets yoga answer a request whose first steps were taken elsewhere. */
export const useProgress = (presenter: ErrorPresenter): Plugin<ServerContext, ServerContext> => ({
  onRequestParse({ serverContext: { info, progress } }) {
    if (progress?.failure !== undefined) throw presenter.present(progress.failure.reason, info.id);
  },
  onParams({ context, setResult }) {
    if (context.progress?.result !== undefined) setResult(context.progress.result);
  },
});
