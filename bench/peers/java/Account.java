import java.nio.ByteBuffer;
import java.util.Arrays;

/** The state of the toy job: count, sum, 24 hourly buckets, a score of three terms. */
public class Account {
  static final int HOURS = 24;

  public long events;
  public long units;
  public int head;
  public int[] buckets = new int[HOURS];
  public double score;

  void add(Event event) {
    int hour = event.hour();
    int ahead = hour - head;
    int quantity = (int) event.quantity;
    events++;
    units += quantity;
    if (ahead > 0) {
      if (ahead >= HOURS) Arrays.fill(buckets, 0);
      else for (int i = 1; i <= ahead; i++) buckets[(head + i) % HOURS] = 0;
      head = hour;
    }
    if (ahead > -HOURS) buckets[hour % HOURS] += quantity;
    int total = 0;
    for (int bucket : buckets) total += bucket;
    score = 0.5 * Math.min(1.0, total / 500.0) + 0.3 * Math.min(1.0, buckets[head % HOURS] / 50.0) + 0.2;
  }

  byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(8 + 8 + 4 + 4 * HOURS + 8).putLong(events).putLong(units).putInt(head);
    for (int bucket : buckets) out.putInt(bucket);
    return out.putDouble(score).array();
  }

  static Account decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    Account account = new Account();
    account.events = in.getLong();
    account.units = in.getLong();
    account.head = in.getInt();
    for (int i = 0; i < HOURS; i++) account.buckets[i] = in.getInt();
    account.score = in.getDouble();
    return account;
  }
}
