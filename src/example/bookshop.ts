import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

interface Book {
  readonly id: string;
  readonly title: string;
  readonly author: string;
  readonly price: number;
  readonly in_stock: boolean;
}

const firstBooks: readonly Book[] = [
  { id: '1', title: 'The Art of Computer Programming', author: 'Donald Knuth', price: 180, in_stock: true },
  {
    id: '2',
    title: 'Structure and Interpretation of Computer Programs',
    author: 'Harold Abelson',
    price: 60,
    in_stock: true,
  },
  { id: '3', title: 'The C Programming Language', author: 'Brian Kernighan', price: 55, in_stock: false },
];

/** The bundled example upstream: a small HTTP API with reads and writes, held in memory. */
export interface Bookshop {
  readonly url: string;
  /** What it wants as `X-API-Key`; its callers never see it. */
  readonly key: string;
  close(): Promise<void>;
}

/** Starts the bookshop on a free loopback port. */
export async function startBookshop(): Promise<Bookshop> {
  const key = randomBytes(16).toString('hex');
  const books = new Map(firstBooks.map((book) => [book.id, book]));
  const server = createServer((request, response) => void answer(request, response, books, key));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${portOf(server)}`, key, close: () => closeServer(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  books: Map<string, Book>,
  key: string,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://bookshop');
  const [, collection, id] = url.pathname.split('/').map(decodeURIComponent);
  if (request.headers['x-api-key'] !== key) return send(response, 401, { error: 'unauthorized' });
  if (collection !== 'books') return send(response, 404, { error: 'not found' });
  if (id === undefined) {
    if (request.method === 'GET') return send(response, 200, listBooks(url.searchParams, books));
    if (request.method === 'POST') return createBook(request, response, books);
    return send(response, 405, { error: 'method not allowed' });
  }
  const book = books.get(id);
  if (!book) return send(response, 404, { error: 'not found' });
  if (request.method === 'GET') return send(response, 200, book);
  if (request.method === 'DELETE') {
    books.delete(id);
    return send(response, 200, { deleted: id });
  }
  return send(response, 405, { error: 'method not allowed' });
}

function listBooks(query: URLSearchParams, books: ReadonlyMap<string, Book>): { books: readonly Book[] } {
  const author = query.get('author')?.toLowerCase();
  const max = query.get('max_price');
  const fits = (book: Book) =>
    (author === undefined || book.author.toLowerCase().includes(author)) && (max === null || book.price <= Number(max));
  return { books: [...books.values()].filter(fits) };
}

async function createBook(request: IncomingMessage, response: ServerResponse, books: Map<string, Book>): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const given: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof given !== 'object' || given === null) return send(response, 400, { error: 'a book is an object' });
  // The oldest addition goes, so that a server left alone for a year does not grow.
  if (books.size >= 1000) books.delete([...books.keys()][firstBooks.length] ?? '');
  const id = String(Math.max(0, ...[...books.keys()].map(Number)) + 1);
  const book = { ...firstBooks[0], in_stock: true, ...given, id };
  if (!isBook(book)) return send(response, 400, { error: 'not a book' });
  books.set(id, book);
  return send(response, 201, book);
}

function isBook(value: {
  id: string;
  title?: unknown;
  author?: unknown;
  price?: unknown;
  in_stock?: unknown;
}): value is Book {
  const { title, author, price, in_stock } = value;
  return (
    typeof title === 'string' &&
    typeof author === 'string' &&
    typeof price === 'number' &&
    typeof in_stock === 'boolean'
  );
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done) => server.close(() => done()));
}
