import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The toy job in Kafka Streams: `BOOTSTRAP TOPICS TOTAL rocksdb|memory|objects DIRECTORY ROUNDS DEADLINE_S`. */
public final class StreamsJob {
  static final String STORE = "accounts";
  static final Serde<Account> ACCOUNT =
      Serdes.serdeFrom((topic, account) -> account == null ? null : account.encode(), (topic, bytes) -> bytes == null ? null : Account.decode(bytes));

  private StreamsJob() {}

  public static void main(String[] args) throws Exception {
    for (int round = 0; round < Integer.parseInt(args[5]); round++) run(args, round);
    Runtime.getRuntime().halt(0);
  }

  private static void run(String[] args, int round) throws Exception {
    String store = args[3];
    Meter.begin(Long.parseLong(args[2]));
    ObjectStore.made.clear();
    Properties settings = settings(args[0], args[4], "bench-" + store + "-" + round + "-" + System.currentTimeMillis());
    KafkaStreams streams = new KafkaStreams(topology(store, args[1].split(",")), settings);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    streams.start();
    if (Meter.await(Long.parseLong(args[6]))) report(streams, store);
    else Meter.fail();
    streams.close(Duration.ofSeconds(10));
  }

  private static Properties settings(String bootstrap, String directory, String id) {
    Properties settings = new Properties();
    settings.put("application.id", id);
    settings.put("bootstrap.servers", bootstrap);
    settings.put("auto.offset.reset", "earliest");
    settings.put("processing.guarantee", "at_least_once");
    settings.put("commit.interval.ms", "1000");
    settings.put("num.stream.threads", "1");
    settings.put("replication.factor", "1");
    settings.put("state.dir", directory);
    settings.put("statestore.cache.max.bytes", String.valueOf(64 << 20));
    settings.put("producer.compression.type", "lz4");
    settings.put("main.consumer.max.partition.fetch.bytes", String.valueOf(4 << 20));
    return settings;
  }

  private static Topology topology(String store, String[] topics) {
    boolean objects = store.equals("objects");
    Deserializer<Event> parse = objects ? (topic, json) -> Event.scan(json) : (topic, json) -> Event.read(json);
    Topology topology = new Topology();
    topology.addSource("events", new StringDeserializer(), parse, topics);
    var supplier = store.equals("rocksdb") ? Stores.persistentKeyValueStore(STORE) : Stores.inMemoryKeyValueStore(STORE);
    StoreBuilder<KeyValueStore<String, Account>> plain =
        Stores.keyValueStoreBuilder(supplier, Serdes.String(), ACCOUNT).withLoggingEnabled(Map.of());
    if (objects) topology.addProcessor("score", InObjects::new, "events").addStateStore(ObjectStore.builder(plain), "score");
    else topology.addProcessor("score", InStore::new, "events").addStateStore(plain.withCachingEnabled(), "score");
    return topology;
  }

  private static void report(KafkaStreams streams, String store) {
    long accounts = 0;
    long events = 0;
    long units = 0;
    if (store.equals("objects")) {
      for (ObjectStore part : ObjectStore.made) {
        for (Account account : part.accounts()) {
          accounts++;
          events += account.events;
          units += account.units;
        }
      }
    } else {
      var query = StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<String, Account>keyValueStore());
      try (KeyValueIterator<String, Account> all = streams.store(query).all()) {
        while (all.hasNext()) {
          Account account = all.next().value;
          accounts++;
          events += account.events;
          units += account.units;
        }
      }
    }
    Meter.report(accounts, events, units);
  }

  /** Reads and writes the account for each event; the cache in front of the store keeps the serialised form. */
  static final class InStore implements Processor<String, Event, Void, Void> {
    private KeyValueStore<String, Account> store;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Event> record) {
      Account account = store.get(record.key());
      if (account == null) account = new Account();
      account.add(record.value());
      store.put(record.key(), account);
      Meter.count();
    }
  }

  /** Keeps the accounts as objects, which are serialised at commits only. */
  static final class InObjects implements Processor<String, Event, Void, Void> {
    private ObjectStore store;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Event> record) {
      store.change(record.key()).add(record.value());
      Meter.count();
    }
  }
}
