// StackServer.java - STARTTLS servers over Java's JSSE, one a line of standard input, as Apache James has them.
//
// Each line is "NAME KEY=VALUE ..."; answers "NAME PORT". Serves until standard input ends.

import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

public final class StackServer {
    private final Map<String, String> words = new HashMap<>();
    private final ServerSocket listener = new ServerSocket(0, 16, InetAddress.getByName("127.0.0.1"));
    private SSLContext context;

    private StackServer(String[] line) throws Exception {
        for (int i = 1; i < line.length; i++) {
            int at = line[i].indexOf('=');
            words.put(line[i].substring(0, at), line[i].substring(at + 1));
        }
        context = SSLContext.getInstance("TLS");
        context.init(words.containsKey("cert") ? new KeyManager[] {new Pair()} : new KeyManager[0],
            words.containsKey("ca") ? trust() : null, null);
    }

    private static byte[] unarmour(String text) {
        String body = text.replaceAll("-----[^-]*-----", "").replaceAll("\\s", "");
        return Base64.getDecoder().decode(body);
    }

    private TrustManager[] trust() throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry("ca", certificates("ca")[0]);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return factory.getTrustManagers();
    }

    private X509Certificate[] certificates(String key) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        try (InputStream in = Files.newInputStream(Path.of(words.get(key)))) {
            return factory.generateCertificates(in).toArray(new X509Certificate[0]);
        }
    }

    /** One certificate and one key, which need not belong together. */
    private final class Pair extends X509ExtendedKeyManager {
        private final X509Certificate[] chain = certificates("cert");
        private final PrivateKey key;
        private final String type = chain[0].getPublicKey().getAlgorithm();

        Pair() throws Exception {
            PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(unarmour(Files.readString(Path.of(words.get("key")))));
            key = KeyFactory.getInstance(type).generatePrivate(spec);
        }

        private String choose(String kind) {
            return kind.equals(type) || (kind.startsWith("EC") && type.equals("EC"))
                || (kind.startsWith("RSA") && type.equals("RSA")) ? "one" : null;
        }

        @Override public String chooseEngineServerAlias(String kind, Principal[] issuers, SSLEngine engine) {
            return choose(kind);
        }
        @Override public String chooseServerAlias(String kind, Principal[] issuers, Socket socket) {
            return choose(kind);
        }
        @Override public String chooseClientAlias(String[] kinds, Principal[] issuers, Socket socket) { return null; }
        @Override public String[] getClientAliases(String kind, Principal[] issuers) { return null; }
        @Override public String[] getServerAliases(String kind, Principal[] issuers) {
            return choose(kind) == null ? null : new String[] {"one"};
        }
        @Override public X509Certificate[] getCertificateChain(String alias) { return chain; }
        @Override public PrivateKey getPrivateKey(String alias) { return key; }
    }

    private String[] versions() {
        String[] all = {"1.0", "1.1", "1.2", "1.3"};
        String low = words.getOrDefault("low", "1.2"), high = words.getOrDefault("high", "1.3");
        return Arrays.stream(all).filter(word -> word.compareTo(low) >= 0 && word.compareTo(high) <= 0)
            .map(word -> word.equals("1.0") ? "TLSv1" : "TLSv" + word).toArray(String[]::new);
    }

    private SSLSocket wrap(Socket plain) throws IOException {
        SSLSocket made = (SSLSocket) context.getSocketFactory().createSocket(plain, null, plain.getPort(), true);
        SSLParameters parameters = made.getSSLParameters();
        made.setUseClientMode(false);
        parameters.setProtocols(versions());
        if (words.containsKey("ciphers")) parameters.setCipherSuites(words.get("ciphers").split(","));
        if ("require".equals(words.get("client"))) parameters.setNeedClientAuth(true);
        if ("request".equals(words.get("client"))) parameters.setWantClientAuth(true);
        if (words.containsKey("sni"))
            parameters.setSNIMatchers(List.of(SNIHostName.createSNIMatcher(words.get("sni").replace(".", "\\."))));
        made.setSSLParameters(parameters);
        if (words.containsKey("alpn"))
            made.setHandshakeApplicationProtocolSelector(
                (socket, offered) -> offered.contains(words.get("alpn")) ? words.get("alpn") : null);
        return made;
    }

    private static void say(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder made = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) throw new EOFException();
            made.append((char) c);
        }
        return made.toString().trim().toUpperCase(Locale.ROOT);
    }

    private void inside(SSLSocket secured, Socket plain) throws IOException {
        secured.startHandshake();
        while (true) {
            String said = line(secured.getInputStream());
            if (said.startsWith("EHLO")) {
                say(secured.getOutputStream(), "250-mx.ferry.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
                if (words.containsKey("renegotiate")) secured.startHandshake();
            } else if (said.equals("QUIT")) {
                say(secured.getOutputStream(), "221 2.0.0 Bye\r\n");
                if (!"no".equals(words.get("notify"))) secured.close();
                return;
            } else {
                say(secured.getOutputStream(), "250 2.0.0 OK\r\n");
            }
        }
    }

    private void serve(Socket plain) {
        try (plain) {
            plain.setSoTimeout(20000);
            OutputStream out = plain.getOutputStream();
            say(out, "220 mx.ferry.example SMTP Server ready\r\n");
            while (true) {
                String said = line(plain.getInputStream());
                if (said.startsWith("EHLO")) {
                    say(out, "250-mx.ferry.example Hello\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
                } else if (said.equals("STARTTLS")) {
                    say(out, "220 2.0.0 Ready to start TLS\r\n");
                    inside(wrap(plain), plain);
                    return;
                } else if (said.equals("QUIT")) {
                    say(out, "221 2.0.0 Bye\r\n");
                    return;
                } else {
                    say(out, "250 2.0.0 OK\r\n");
                }
            }
        } catch (IOException | RuntimeException ended) {
            if (words.containsKey("trace")) System.err.println(words.get("trace") + ": " + ended);
        }
    }

    private void run() {
        while (true) {
            try {
                Socket plain = listener.accept();
                Thread thread = new Thread(() -> serve(plain));
                thread.setDaemon(true);
                thread.start();
            } catch (IOException ended) {
                return;
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));

        for (String name : List.of("jdk.tls.disabledAlgorithms", "jdk.certpath.disabledAlgorithms",
                "jdk.tls.legacyAlgorithms"))
            Security.setProperty(name, "");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            StackServer made = new StackServer(words);
            Thread thread = new Thread(made::run);
            thread.setDaemon(true);
            thread.start();
            System.out.println(words[0] + " " + made.listener.getLocalPort());
        }
    }
}
