import type { Code } from '@drover/contract';
import { DroverError, FAILURES } from '@drover/contract';
import type { List, ProblemDocument } from '@drover/hub/api';

export interface HubAddress {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string | undefined;
}

/** The hub's HTTP API. What it refuses is thrown as the failure that it names. */
export interface Client {
  readonly url: string;
  get<T>(path: string, signal: AbortSignal): Promise<T>;
  /** `status` tells 200 from 202. */
  post<T>(path: string, body: object, signal: AbortSignal, timeoutMs?: number): Promise<{ readonly status: number; readonly value: T }>;
  delete(path: string, signal: AbortSignal): Promise<void>;
  /** Every row of a list, page by page, at most `max`. */
  list<T>(path: string, query: Readonly<Record<string, string | undefined>>, signal: AbortSignal, max?: number): Promise<List<T>>;
  /** Data of server-sent events, as they come; ends when the hub closes the stream. */
  events<T>(path: string, query: Readonly<Record<string, string | undefined>>, signal: AbortSignal): AsyncIterable<T>;
}

const TIMEOUT_MS = 30_000;
const PAGE = '500';

export function createClient(address: HubAddress): Client {
  const { url, token } = address;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function request(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url + path, {
        method,
        redirect: 'error',
        signal,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (thrown) {
      throw unreachable(url, thrown);
    }
    if (!response.ok) throw await refusal(url, response);
    return response;
  }

  const within = (signal: AbortSignal, ms: number): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

  async function get<T>(path: string, signal: AbortSignal): Promise<T> {
    const limit = within(signal, TIMEOUT_MS);
    return read<T>(url, await request('GET', path, undefined, limit));
  }

  return {
    url,
    get,
    async post<T>(path: string, body: object, signal: AbortSignal, timeoutMs = 0) {
      const response = await request('POST', path, body, within(signal, timeoutMs + TIMEOUT_MS));
      return { status: response.status, value: await read<T>(url, response) };
    },
    async delete(path, signal) {
      await request('DELETE', path, undefined, within(signal, TIMEOUT_MS));
    },
    async list<T>(path: string, query: Readonly<Record<string, string | undefined>>, signal: AbortSignal, max = Infinity) {
      const items: T[] = [];
      let cursor: string | undefined;
      for (;;) {
        const limit = max - items.length < Number(PAGE) ? String(max - items.length) : PAGE;
        const page: List<T> = await get(`${path}?${parameters({ ...query, limit, cursor })}`, signal);
        items.push(...page.items);
        if (page.next === null || items.length >= max) return { items, next: page.next, total: page.total };
        cursor = page.next;
      }
    },
    async *events<T>(path: string, query: Readonly<Record<string, string | undefined>>, signal: AbortSignal) {
      const response = await request('GET', `${path}?${parameters(query)}`, undefined, signal);
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data !== undefined) yield JSON.parse(data) as T;
        }
      }
    },
  };
}

function parameters(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new URLSearchParams(given).toString();
}

async function read<T>(url: string, response: Response): Promise<T> {
  const text = await response.text().catch((thrown: unknown) => Promise.reject(unreachable(url, thrown)));
  try {
    return JSON.parse(text) as T;
  } catch (thrown) {
    throw new DroverError('HUB_UNREACHABLE', url, 'what answers there is no Drover hub', { cause: thrown });
  }
}

function unreachable(url: string, thrown: unknown): unknown {
  const { name, cause, message } = thrown as { readonly name?: string; readonly cause?: unknown; readonly message?: string };
  if (name === 'AbortError') return thrown;
  const reason = cause as { readonly code?: string; readonly message?: string } | undefined;
  const what =
    name === 'TimeoutError'
      ? `no answer for ${TIMEOUT_MS / 1000} s`
      : reason?.code === 'ECONNREFUSED'
        ? 'nothing listens there'
        : (reason?.message ?? message ?? 'it cannot be reached');
  return new DroverError('HUB_UNREACHABLE', url, what, { cause: thrown });
}

async function refusal(url: string, response: Response): Promise<DroverError> {
  const text = await response.text().catch(() => '');
  const problem = ((): Partial<ProblemDocument> => {
    try {
      return JSON.parse(text) as Partial<ProblemDocument>;
    } catch {
      return {};
    }
  })();
  const { code, subject, detail, position } = problem;
  if (code === undefined || !Object.hasOwn(FAILURES, code))
    return new DroverError('HUB_UNREACHABLE', url, `it answers ${response.status}${detail === undefined ? '' : `: ${detail}`}`);
  const what = detail?.startsWith(`${subject}: `) === true ? detail.slice((subject ?? '').length + 2) : (detail ?? '');
  const { file, line, column } = position ?? {};
  const at =
    file === undefined ? undefined : { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) };
  return new DroverError(code as Code, subject ?? 'request', what, at === undefined ? {} : { position: at });
}
