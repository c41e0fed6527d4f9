package dev.flinkoperator.bench;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Requests over HTTP/1.1 one after another on one connection, in the caller's thread. */
final class Connection {
    private final InetSocketAddress address;
    private Socket socket;
    private InputStream in;

    Connection(String host, int port) {
        address = new InetSocketAddress(host, port);
    }

    /** The body of the answer; anything but success is an exception that holds it. */
    synchronized byte[] ask(String method, String target, String body) throws IOException {
        try {
            byte[] content = body.getBytes(StandardCharsets.UTF_8);
            var request = new ByteArrayOutputStream();
            String head =
                    "%s %s HTTP/1.1\r\nhost: simulated\r\ncontent-length: %d\r\n\r\n"
                            .formatted(method, target, content.length);
            request.writeBytes(head.getBytes(StandardCharsets.UTF_8));
            request.writeBytes(content);
            open();
            // One write, so that nothing waits for an acknowledgement.
            request.writeTo(socket.getOutputStream());
            String[] status = line().split(" ");
            int length = 0;
            for (String header = line(); !header.isEmpty(); header = line()) {
                String name = header.toLowerCase(Locale.ROOT);
                if (name.startsWith("content-length:")) {
                    length = Integer.parseInt(name.substring(name.indexOf(':') + 1).trim());
                }
            }
            byte[] answer = in.readNBytes(length);
            if (answer.length < length) {
                throw new EOFException("the answer is cut off");
            }
            if (status.length < 2 || !status[1].startsWith("2")) {
                String text = new String(answer, StandardCharsets.UTF_8);
                throw new IOException(method + " " + target + ": " + text);
            }
            return answer;
        } catch (IOException | RuntimeException error) {
            // The next request begins on a connection without a rest of this one.
            close();
            throw error;
        }
    }

    private void open() throws IOException {
        if (socket == null) {
            int limit = Math.toIntExact(JobLoop.SECONDS * 1000);
            socket = new Socket();
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(limit);
            socket.connect(address, limit);
            in = new BufferedInputStream(socket.getInputStream());
        }
    }

    private String line() throws IOException {
        var line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("the server has hung up");
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    synchronized void close() {
        if (socket != null) {
            try {
                socket.close();
            } catch (IOException error) {
                // It is given up anyway.
            }
            socket = null;
        }
    }
}
