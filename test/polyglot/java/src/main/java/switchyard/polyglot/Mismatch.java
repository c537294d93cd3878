package switchyard.polyglot;

/** What came is not what the table says. */
final class Mismatch extends Exception {
  private static final long serialVersionUID = 1;

  Mismatch(String message) {
    super(message);
  }

  Mismatch(String message, Throwable cause) {
    super(message, cause);
  }
}
