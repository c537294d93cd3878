package switchyard.polyglot;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;

/** Lists a tar.gz: Java has gzip, but no tar. Knows ustar, which is what names of up to 100 bytes need. */
final class TarGz {
  private static final int BLOCK = 512;

  static List<String> members(byte[] archive) throws IOException, Mismatch {
    List<String> names = new ArrayList<>();
    try (InputStream tar = new GZIPInputStream(new ByteArrayInputStream(archive))) {
      for (byte[] header = tar.readNBytes(BLOCK); header.length == BLOCK && header[0] != 0; header = tar.readNBytes(BLOCK)) {
        char type = (char) header[156];
        if ("xgLK".indexOf(type) >= 0) throw new Mismatch("this client does not know members of type " + type);
        names.add(text(header, 0, 100).replaceAll("/$", ""));
        long size = Long.parseLong(text(header, 124, 12).trim(), 8);
        tar.skipNBytes((size + BLOCK - 1) / BLOCK * BLOCK);
      }
    }
    return names;
  }

  private static String text(byte[] header, int begin, int length) {
    String field = new String(header, begin, length, StandardCharsets.UTF_8);
    int end = field.indexOf('\0');
    return end < 0 ? field : field.substring(0, end);
  }

  private TarGz() {}
}
