import type { Duplex } from 'node:stream';

/** Answers a request for another protocol with a status line, and gives its socket up, whatever the other side does. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  // The HTTP server has given the socket up; without a listener, a client that resets it would end the program.
  socket.on('error', () => socket.destroy());
  // Else it stays half open for as long as a client that was let in nowhere wants it to.
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
