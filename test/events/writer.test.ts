import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LogFile } from '../../src/events/file.js';
import { LineWriter } from '../../src/events/writer.js';
import { makeFolder } from '../support/scratch.js';

/** A file that can be put on a full device and back. */
function openSwitch(folder: string) {
  const fds = { good: openSync(join(folder, 'log'), 'a'), full: openSync('/dev/full', 'a') };
  onTestFinished(() => Object.values(fds).forEach(closeSync));
  let full = false;
  const file: LogFile = {
    get fd() {
      return full ? fds.full : fds.good;
    },
    syncs: false,
    grow: () => undefined,
    close: () => undefined,
  };
  return {
    file,
    read: () => readFileSync(join(folder, 'log'), 'utf8'),
    fill(now: boolean) {
      full = now;
    },
  };
}

function openWriter(file: LogFile, max_buffered_bytes = 65_536) {
  const told: string[] = [];
  const writer = new LineWriter({
    file,
    flush_interval_ms: 1,
    sync_interval_ms: 1000,
    max_buffered_bytes,
    onFailure: (code) => told.push(code),
    onRecovery: () => told.push('recovered'),
  });
  onTestFinished(() => writer.close());
  return { writer, told };
}

describe('the writer of lines', () => {
  it('keeps lines while the disk is full and writes each once, in order, when there is room again', async () => {
    const disk = openSwitch(makeFolder());
    const { writer, told } = openWriter(disk.file);
    writer.write('one\n');
    await writer.flush();
    disk.fill(true);
    writer.write('two\n');
    await writer.flush();
    writer.write('three\n');
    await writer.flush();
    expect([writer.failing, disk.read()]).toEqual([true, 'one\n']);
    disk.fill(false);
    await expect.poll(disk.read).toBe('one\ntwo\nthree\n');
    expect([writer.failing, told]).toEqual([false, ['ENOSPC', 'recovered']]);
  });

  it('says that it has no room before it holds more than it may', async () => {
    const disk = openSwitch(makeFolder());
    disk.fill(true);
    const { writer } = openWriter(disk.file);
    let lines = 0;
    while (writer.hasRoom) {
      writer.write(`${'x'.repeat(1023)}\n`);
      lines++;
    }
    expect(lines).toBe(64);
  });

  it('waits for a slow reader of a pipe, goes on where a partial write stopped, and calls it no failure', async () => {
    const fifo = join(makeFolder(), 'pipe');
    spawnSync('mkfifo', [fifo]);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const { writer, told } = openWriter({ fd, syncs: false, grow: () => undefined, close: () => closeSync(fd) }, 1e7);
    const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index}\n`).join('');
    writer.write(lines);
    let text = '';
    while (text.length < lines.length) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      text += readSome(fd);
    }
    expect(text).toBe(lines);
    expect(told).toEqual([]);
  });
});

function readSome(fd: number): string {
  const buffer = Buffer.alloc(30_000);
  try {
    return buffer.toString('latin1', 0, readSync(fd, buffer));
  } catch {
    // Empty for now (EAGAIN).
    return '';
  }
}
