package dev.flinkoperator.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Runs the Java autoscaler in lockstep with simulated jobs. One request a line on standard input, one
 * answer a line on standard output, which carries the job's name since requests of several jobs may be
 * under way at once:
 *
 * <pre>
 * cycle JOB URL EPOCH_MILLIS   one control loop at that time    -> done JOB | error JOB MESSAGE
 * time JOB TIMES               that loop's decision, timed      -> done JOB NANOS | error JOB MESSAGE
 * reset JOB                    forget the job                   -> done JOB
 * </pre>
 *
 * The first answer is {@code ready}. It ends with its input.
 */
public final class Harness {
    private final Map<String, JobLoop> loops = new ConcurrentHashMap<>();
    private final PrintStream out;

    private Harness(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // What a library prints must not be taken for an answer.
        System.setOut(System.err);
        Harness harness = new Harness(out);
        ExecutorService workers = Executors.newCachedThreadPool();
        harness.say("ready");
        try (BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String request = line;
                workers.execute(() -> harness.answer(request));
            }
        }
        // Flink's clients leave threads behind.
        Runtime.getRuntime().halt(0);
    }

    private void answer(String request) {
        String[] words = request.trim().split(" ");
        String job = words.length > 1 ? words[1] : "?";
        String answer = "";
        try {
            if (words.length == 4 && words[0].equals("cycle")) {
                Instant now = Instant.ofEpochMilli(Long.parseLong(words[3]));
                JobLoop loop = loops.get(job);
                if (loop == null) {
                    loop = new JobLoop(words[2]);
                    loops.put(job, loop);
                }
                loop.cycle(now);
            } else if (words.length == 3 && words[0].equals("time")) {
                JobLoop loop = loops.get(job);
                if (loop == null) {
                    throw new IllegalArgumentException("no control loop of this job yet");
                }
                answer = " " + loop.time(Integer.parseInt(words[2]));
            } else if (words.length == 2 && words[0].equals("reset")) {
                JobLoop loop = loops.remove(job);
                if (loop != null) {
                    loop.close();
                }
            } else {
                throw new IllegalArgumentException("not a request: " + request);
            }
            say("done " + job + answer);
        } catch (Throwable error) {
            error.printStackTrace();
            say("error " + job + " " + error.toString().replaceAll("\\s+", " "));
        }
    }

    private synchronized void say(String line) {
        out.print(line + "\n");
        out.flush();
    }
}
