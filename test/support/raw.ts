import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A connection of the test's own making: what is written goes out as it stands. */
export interface RawConnection {
  readonly socket: Socket;
  /** All that came back so far. */
  text(): string;
  /** Resolves with all that came back when the other side has ended the connection. */
  readonly ended: Promise<string>;
}

/** Opens a connection to a server's port; it ends with the test. */
export async function openRaw(port: number, first = ''): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  const text = () => Buffer.concat(chunks).toString();
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text())));
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  if (first !== '') socket.write(first);
  return { socket, text, ended };
}

/** Sends bytes on a connection of their own and gives all that comes back until the server ends it. */
export async function exchangeRaw(port: number, bytes: string): Promise<string> {
  const { ended } = await openRaw(port, bytes);
  return ended;
}
