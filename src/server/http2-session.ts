import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';

/** The last stream that there can be: a GOAWAY that names it ends none (RFC 9113 section 6.8). */
const lastStreamId = 2 ** 31 - 1;

/** Runs a step when no frame is being read. */
type Between = (step: () => void) => void;

/**
 * Keeps a client from ending the process. Node 20 sends all that waits whenever a stream is reset or a session destroyed,
 * even while nghttp2 reads a frame, which frees streams that it goes on to use (nodejs/node issue 64113); Node 22 still
 * aborts on data that follows what ended a session (issue 64850). A GOAWAY with a request behind it in one packet is
 * enough. So here such steps wait until nothing is being read, and a session takes requests until it ends instead of
 * refusing them, which resets them.
 */
export function guardSession(session: ServerHttp2Session): void {
  let isSafe = false;
  const between: Between = (step) => {
    if (isSafe) step();
    else setImmediate(run, step);
  };
  const run = (step: () => void) => {
    isSafe = true;
    try {
      step();
    } finally {
      isSafe = session.destroyed;
    }
  };
  // Node ends the session of a lost connection itself; it reads nothing any more.
  session.socket.prependOnceListener('close', () => {
    isSafe = true;
  });
  const { destroy } = session;
  session.destroy = (...why) => between(() => destroy.apply(session, why));
  session.close = createClose(session, (isIdle) => between(() => isIdle() && destroy.call(session)));
  session.prependListener('stream', (stream: ServerHttp2Stream) => guardStream(stream, between));
}

/** Tells the client to go elsewhere, and ends the session when the last stream has ended and no other has come meanwhile. */
function createClose(session: ServerHttp2Session, endIf: (isIdle: () => boolean) => void): ServerHttp2Session['close'] {
  const open = new Set<ServerHttp2Stream>();
  let [isLeaving, isTold] = [false, false];
  const leave = () => {
    if (!isLeaving || session.destroyed) return;
    // One that is idle is told when it ends.
    if (!isTold && open.size > 0) session.goaway(constants.NGHTTP2_NO_ERROR, lastStreamId);
    isTold ||= open.size > 0;
    endIf(() => open.size === 0);
  };
  session.prependListener('stream', (stream: ServerHttp2Stream) => {
    open.add(stream);
    stream.once('close', () => {
      open.delete(stream);
      leave();
    });
    leave();
  });
  return (callback) => {
    if (callback) session.once('close', callback);
    isLeaving = true;
    leave();
  };
}

function guardStream(stream: ServerHttp2Stream, between: Between): void {
  const { close, _destroy } = stream;
  stream.close = (...why) => between(() => close.apply(stream, why));
  // One that is closed already is not reset.
  stream._destroy = (...why) => {
    if (stream.closed) _destroy.apply(stream, why);
    else between(() => _destroy.apply(stream, why));
  };
}
