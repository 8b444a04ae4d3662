import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;

/** What the toy job reads of an event; the same seven fields in every peer. */
@JsonIgnoreProperties(ignoreUnknown = true)
public class Event {
  private static final ObjectReader JACKSON = new ObjectMapper().readerFor(Event.class);

  public String type;
  public String event_id;
  public String account_id;
  public String ts;
  public String feature;
  public String user_id;
  public long quantity;

  /** Jackson with a plain class: what most jobs do. */
  static Event read(byte[] json) {
    try {
      return JACKSON.readValue(json);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** By hand: flat ASCII objects without escapes and spaces, as the load is; what an expert might do. */
  static Event scan(byte[] json) {
    Event event = new Event();
    int at = 1;
    while (at < json.length && json[at] != '}') {
      if (json[at] == ',') at++;
      int name = at + 1;
      int colon = indexOf(json, '"', name) + 1;
      int begin = colon + 1;
      boolean text = json[begin] == '"';
      int end = text ? indexOf(json, '"', ++begin) : endOfNumber(json, begin);
      at = text ? end + 1 : end;
      event.set(json, name, colon - 1 - name, begin, end);
    }
    return event;
  }

  /** Hours since 1970 of a time in UTC. */
  int hour() {
    long day = LocalDate.of(number(0, 4), number(5, 7), number(8, 10)).toEpochDay();
    return (int) (day * 24 + number(11, 13));
  }

  private void set(byte[] json, int name, int length, int begin, int end) {
    switch (json[name]) {
      case 't' -> {
        if (length == 2) ts = ascii(json, begin, end);
        else if (length == 4) type = ascii(json, begin, end);
      }
      case 'e' -> { if (length == 8) event_id = ascii(json, begin, end); }
      case 'a' -> { if (length == 10 && json[name + 1] == 'c' && json[name + 2] == 'c') account_id = ascii(json, begin, end); }
      case 'f' -> feature = ascii(json, begin, end);
      case 'u' -> user_id = ascii(json, begin, end);
      case 'q' -> { for (int i = begin; i < end; i++) quantity = quantity * 10 + json[i] - '0'; }
      default -> { }
    }
  }

  private int number(int begin, int end) {
    int value = 0;
    for (int i = begin; i < end; i++) value = value * 10 + ts.charAt(i) - '0';
    return value;
  }

  private static String ascii(byte[] json, int begin, int end) {
    return new String(json, begin, end - begin, StandardCharsets.ISO_8859_1);
  }

  private static int indexOf(byte[] json, char wanted, int at) {
    while (json[at] != wanted) at++;
    return at;
  }

  private static int endOfNumber(byte[] json, int at) {
    while (json[at] != ',' && json[at] != '}') at++;
    return at;
  }
}
