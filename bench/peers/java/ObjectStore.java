import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/** An expert's store: objects in a map, written behind into a logged store when Kafka Streams flushes. Uses an internal interface. */
final class ObjectStore implements StateStore, CachedStateStore<String, Account> {
  static final List<ObjectStore> made = new ArrayList<>();

  private final KeyValueStore<String, Account> inner;
  private final Map<String, Account> objects = new HashMap<>();
  private final Set<String> changed = new HashSet<>();

  private ObjectStore(KeyValueStore<String, Account> inner) {
    this.inner = inner;
  }

  static StoreBuilder<ObjectStore> builder(StoreBuilder<KeyValueStore<String, Account>> inner) {
    return new StoreBuilder<>() {
      @Override
      public ObjectStore build() {
        ObjectStore store = new ObjectStore(inner.build());
        made.add(store);
        return store;
      }

      @Override
      public StoreBuilder<ObjectStore> withCachingEnabled() {
        return this;
      }

      @Override
      public StoreBuilder<ObjectStore> withCachingDisabled() {
        return this;
      }

      @Override
      public StoreBuilder<ObjectStore> withLoggingEnabled(Map<String, String> config) {
        return this;
      }

      @Override
      public StoreBuilder<ObjectStore> withLoggingDisabled() {
        return this;
      }

      @Override
      public Map<String, String> logConfig() {
        return inner.logConfig();
      }

      @Override
      public boolean loggingEnabled() {
        return inner.loggingEnabled();
      }

      @Override
      public String name() {
        return inner.name();
      }
    };
  }

  Account change(String key) {
    changed.add(key);
    return objects.computeIfAbsent(key, k -> inner.get(k) == null ? new Account() : inner.get(k));
  }

  Collection<Account> accounts() {
    return objects.values();
  }

  @Override
  public void flushCache() {
    for (String key : changed) inner.put(key, objects.get(key));
    changed.clear();
  }

  @Override
  public void clearCache() {
    changed.clear();
    objects.clear();
  }

  @Override
  public boolean setFlushListener(CacheFlushListener<String, Account> listener, boolean sendOldValues) {
    return false;
  }

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public void init(StateStoreContext context, StateStore root) {
    inner.init(context, root);
  }

  @Override
  public void flush() {
    flushCache();
    inner.flush();
  }

  @Override
  public void close() {
    inner.close();
  }

  @Override
  public boolean persistent() {
    return inner.persistent();
  }

  @Override
  public boolean isOpen() {
    return inner.isOpen();
  }
}
