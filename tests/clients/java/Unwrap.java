// An integration in Java, with Spring Vault: takes the authorizer's context, checks it, unwraps the token, reads one secret,
// revokes it.
//
// The context comes on standard input, as API Gateway delivers it at event.requestContext.authorizer.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import org.springframework.http.client.SimpleClientHttpRequestFactory;
import org.springframework.vault.VaultException;
import org.springframework.vault.authentication.CubbyholeAuthentication;
import org.springframework.vault.authentication.CubbyholeAuthenticationOptions;
import org.springframework.vault.authentication.SimpleSessionManager;
import org.springframework.vault.authentication.TokenAuthentication;
import org.springframework.vault.client.RestTemplateBuilder;
import org.springframework.vault.client.VaultEndpoint;
import org.springframework.vault.client.VaultHttpHeaders;
import org.springframework.vault.core.VaultTemplate;
import org.springframework.vault.support.VaultResponse;
import org.springframework.vault.support.VaultToken;
import org.springframework.vault.support.WrappedMetadata;

final class Unwrap {
    private static final String ADDRESS = System.getenv("VAULT_ADDR");
    private static final String NAMESPACE = System.getenv().getOrDefault("NAMESPACE", "");
    private static final String CREATION_PATH = System.getenv("CREATION_PATH");

    public static void main(String[] arguments) {
        try {
            Map<?, ?> context = new ObjectMapper().readValue(System.in, Map.class);
            if (arguments.length == 0) {
                integrate(context);
            } else {
                show(arguments[0], VaultToken.of((String) context.get("vaultWrappingToken")));
            }
        } catch (Exception error) {
            System.err.println(error);
            System.exit(1);
        }
    }

    private static void integrate(Map<?, ?> context) throws Exception {
        // The context is compared with what this integration expects, and never followed.
        if (!"1".equals(context.get("contextVersion")) || context.get("vaultWrappingToken") == null) {
            throw new IllegalStateException("no wrapped token in the context: is the authorizer attached to this route?");
        }
        Object namespace = context.get("vaultNamespace");
        if (!ADDRESS.equals(context.get("vaultAddress")) || !NAMESPACE.equals(namespace == null ? "" : namespace)) {
            throw new IllegalStateException("the context names another Vault or namespace: it may have been tampered with");
        }
        if (!CREATION_PATH.equals(context.get("vaultCreationPath"))) {
            throw new IllegalStateException("the context names another creation path: it may have been tampered with");
        }
        long expiresAt = Long.parseLong((String) context.get("vaultWrapExpiresAt")) * 1000;

        Map<String, Object> auth = unwrap(VaultToken.of((String) context.get("vaultWrappingToken")), expiresAt);
        TokenAuthentication token = new TokenAuthentication((String) auth.get("client_token"));
        VaultTemplate vault = new VaultTemplate(client(), new SimpleSessionManager(token));
        try {
            if (!context.get("vaultWrappedAccessor").equals(auth.get("accessor"))) {
                throw new IllegalStateException("the token inside is not the one the authorizer minted");
            }
            VaultResponse secret = untilKnown(expiresAt, () -> vault.read(System.getenv("SECRET_PATH")));
            if (secret == null) {
                throw new IllegalStateException("there is no such secret");
            }
            Object username = ((Map<?, ?>) secret.getRequiredData().get("data")).get("username");
            Map<String, Object> printed = Map.of("username", username, "accessor", auth.get("accessor"));
            System.out.println(new ObjectMapper().writeValueAsString(printed));
        } finally {
            untilKnown(expiresAt, () -> vault.write("auth/token/revoke-self"));
        }
    }

    /** Nothing of it comes from the environment. Without time limits, it would wait for an answer forever. */
    private static RestTemplateBuilder client() {
        SimpleClientHttpRequestFactory http = new SimpleClientHttpRequestFactory();
        http.setConnectTimeout(Duration.ofSeconds(2));
        http.setReadTimeout(Duration.ofSeconds(5));
        RestTemplateBuilder client = RestTemplateBuilder.builder().endpoint(VaultEndpoint.from(ADDRESS)).requestFactory(http);
        return NAMESPACE.isEmpty() ? client : client.defaultHeader(VaultHttpHeaders.VAULT_NAMESPACE, NAMESPACE);
    }

    /** Sent again only where a node refused it and a lookup then shows the token: a lost answer may have used it up. */
    private static Map<String, Object> unwrap(VaultToken wrappingToken, long expiresAt) {
        String otherwise = "no node knows the wrapping token: the nodes lag behind, or it was opened before; see Vault's audit log";
        for (int attempt = 0; attempt < 5; attempt++) {
            VaultTemplate anonymous = new VaultTemplate(client());
            WrappedMetadata found;
            try {
                // Lookup needs no token and uses nothing up. It gives null, and no exception, for a token that is not known.
                found = untilKnown(expiresAt, () -> known(anonymous.opsForWrapping().lookup(wrappingToken)));
            } catch (NotKnown error) {
                throw new IllegalStateException(hasExpired(expiresAt) ? "the wrapping token has expired" : otherwise);
            }
            if (!CREATION_PATH.equals(found.getPath())) {
                throw new IllegalStateException("the wrapping token was made by another creation path: it may have been tampered with");
            }
            VaultResponse unwrapped = anonymous.opsForWrapping().read(wrappingToken);
            if (unwrapped != null && unwrapped.getAuth() != null) {
                return unwrapped.getAuth();
            }
            otherwise = "ALARM: the wrapping token was there and then was gone: somebody else may have opened it";
        }
        throw new IllegalStateException("the nodes do not agree whether there is a wrapping token: check Vault's replication");
    }

    /** Calls again while a node does not know the token, for two seconds at most and not beyond the wrapping token's life. */
    private static <T> T untilKnown(long expiresAt, Supplier<T> call) {
        for (int pause : new int[] {20, 40, 80, 160, 300, 400, 400, 400}) {
            try {
                return call.get();
            } catch (VaultException error) {
                if (!nodeDoesNotKnow(error) || hasExpired(expiresAt)) {
                    throw error;
                }
            }
            try {
                Thread.sleep(pause / 2 + ThreadLocalRandom.current().nextInt(pause / 2));
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
        }
        return call.get();
    }

    /** A standby that serves reads hears of a token after it was made. Until then it says that there is none, or 412. */
    private static boolean nodeDoesNotKnow(VaultException error) {
        String said = String.valueOf(error.getMessage());
        return error instanceof NotKnown || said.startsWith("Status 412") || said.endsWith(": permission denied")
                || said.contains("invalid token");
    }

    private static boolean hasExpired(long expiresAt) {
        return expiresAt <= System.currentTimeMillis() + 500;
    }

    private static <T> T known(T answer) {
        if (answer == null) {
            throw new NotKnown();
        }
        return answer;
    }

    private static final class NotKnown extends VaultException {
        NotKnown() {
            super("this node does not know the wrapping token");
        }
    }

    /** Not part of the integration: what Spring's own login does, and what it gives for a spent token. */
    private static void show(String what, VaultToken wrappingToken) {
        if (what.equals("read")) {
            System.out.println(new VaultTemplate(client()).opsForWrapping().read(wrappingToken) == null ? "null" : "an answer");
            return;
        }
        CubbyholeAuthenticationOptions options = CubbyholeAuthenticationOptions.builder().wrapped().initialToken(wrappingToken)
                .selfLookup(what.equals("login")).build();
        new CubbyholeAuthentication(options, client().build()).login();
        System.out.println("logged in");
    }
}
