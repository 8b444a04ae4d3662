import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** The toy job in Flink's MiniCluster: `BOOTSTRAP TOPICS TOTAL hashmap DIRECTORY ROUNDS DEADLINE_S`. */
public final class FlinkJob {
  private static final AtomicLong ACCOUNTS = new AtomicLong();
  private static final AtomicLong EVENTS = new AtomicLong();
  private static final AtomicLong UNITS = new AtomicLong();

  private FlinkJob() {}

  public static void main(String[] args) throws Exception {
    endAfter(Long.parseLong(args[6]));
    for (int round = 0; round < Integer.parseInt(args[5]); round++) run(args);
    Runtime.getRuntime().halt(0);
  }

  private static void run(String[] args) throws Exception {
    Meter.begin(Long.parseLong(args[2]));
    ACCOUNTS.set(0);
    EVENTS.set(0);
    UNITS.set(0);
    KafkaSource<Event> source =
        KafkaSource.<Event>builder()
            .setBootstrapServers(args[0])
            .setTopics(args[1].split(","))
            .setGroupId("bench-flink-" + System.currentTimeMillis())
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setProperty("max.partition.fetch.bytes", String.valueOf(4 << 20))
            .setProperty("max.poll.records", "5000")
            .setValueOnlyDeserializer(new Json())
            .build();
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(1, settings(args[3], args[4]));
    flink
        .fromSource(source, WatermarkStrategy.noWatermarks(), "events")
        .keyBy(event -> event.account_id)
        .process(new Score())
        .sinkTo(new DiscardingSink<>());
    flink.execute();
    if (Meter.await(1)) Meter.report(ACCOUNTS.get(), EVENTS.get(), UNITS.get());
    else Meter.fail();
  }

  private static Configuration settings(String backend, String directory) {
    Configuration settings = new Configuration();
    settings.setString("state.backend.type", backend);
    settings.setString("execution.checkpointing.storage", "filesystem");
    settings.setString("execution.checkpointing.dir", "file:" + directory);
    settings.setString("execution.checkpointing.interval", "1s");
    settings.setString("execution.checkpointing.mode", "AT_LEAST_ONCE");
    settings.setString("rest.bind-port", "0");
    settings.setString("rest.port", "0");
    return settings;
  }

  private static void endAfter(long seconds) {
    Thread guard =
        new Thread(
            () -> {
              try {
                Thread.sleep(seconds * 1000);
              } catch (InterruptedException error) {
                return;
              }
              Meter.fail();
              Runtime.getRuntime().halt(1);
            });
    guard.setDaemon(true);
    guard.start();
  }

  /** The value of a record as an event. */
  public static final class Json extends AbstractDeserializationSchema<Event> {
    public Json() {
      super(Event.class);
    }

    @Override
    public Event deserialize(byte[] json) {
      return Event.read(json);
    }
  }

  /** Keyed state; when the bounded source is read, a timer of each key adds up what its state holds. */
  public static final class Score extends KeyedProcessFunction<String, Event, Double> {
    private transient ValueState<Account> state;

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(new ValueStateDescriptor<>("account", Account.class));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Double> out) throws Exception {
      Account account = state.value();
      if (account == null) {
        account = new Account();
        context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
      }
      account.add(event);
      state.update(account);
      Meter.count();
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Double> out) throws Exception {
      ACCOUNTS.incrementAndGet();
      EVENTS.addAndGet(state.value().events);
      UNITS.addAndGet(state.value().units);
    }
  }
}
