import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** CPU of the whole process, counted by the kernel, from the first quarter of the events to the last one. */
final class Meter {
  private static final int TICKS_PER_SECOND = 100;
  private static long total;
  private static long seen;
  private static double cpuBefore;
  private static long nanosBefore;
  private static double cpu;
  private static double wall;
  private static volatile boolean done;

  private Meter() {}

  static void begin(long events) {
    total = events;
    seen = 0;
    done = false;
  }

  /** One event was processed. Only one thread may call it. */
  static void count() {
    seen++;
    if (seen == total / 4) {
      cpuBefore = cpuSeconds();
      nanosBefore = System.nanoTime();
    } else if (seen == total) {
      cpu = cpuSeconds() - cpuBefore;
      wall = (System.nanoTime() - nanosBefore) / 1e9;
      done = true;
    }
  }

  /** Whether all events were counted within `seconds`. */
  static boolean await(long seconds) throws InterruptedException {
    long deadline = System.nanoTime() + seconds * 1_000_000_000L;
    while (!done && System.nanoTime() < deadline) Thread.sleep(20);
    return done;
  }

  /** One line of JSON: the figures, and what the state holds in the end. */
  static void report(long accounts, long events, long units) {
    long measured = total - total / 4;
    System.out.printf(
        Locale.ROOT,
        "{\"events\": %d, \"us\": %.4f, \"wall\": %.3f, \"rss\": %d, \"accounts\": %d, \"state_events\": %d, \"state_units\": %d}%n",
        measured, cpu / measured * 1e6, wall, peakBytes(), accounts, events, units);
    System.out.flush();
  }

  static void fail() {
    System.out.printf("{\"error\": \"%d of %d events before the deadline\"}%n", seen, total);
    System.out.flush();
  }

  private static double cpuSeconds() {
    String stat = read("/proc/self/stat");
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / (double) TICKS_PER_SECOND;
  }

  private static long peakBytes() {
    for (String line : read("/proc/self/status").split("\n")) {
      if (line.startsWith("VmHWM")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
    }
    return 0;
  }

  private static String read(String path) {
    try {
      return Files.readString(Path.of(path));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
