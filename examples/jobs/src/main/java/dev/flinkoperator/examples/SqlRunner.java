package dev.flinkoperator.examples;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs an SQL script as an application, for Flink 1.20; from 2.0 on Flink's own {@code SqlDriver} does.
 *
 * <p>{@code SET 'key' = 'value'} is taken everywhere; what changes the environment itself, such as
 * {@code execution.runtime-mode}, has to come before all other statements. Each {@code INSERT} is a job; several in one job are a
 * statement set.
 */
public final class SqlRunner {
    private static final Pattern SET =
            Pattern.compile("SET\\s+'([^']+)'\\s*=\\s*'([^']*)'", Pattern.CASE_INSENSITIVE);

    private SqlRunner() {}

    /** Runs the script whose path is the only argument. */
    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            throw new IllegalArgumentException("give the path of one SQL script, not " + args.length + " arguments");
        }
        Deque<String> statements = new ArrayDeque<>(SqlScript.statements(Files.readString(Path.of(args[0]))));
        Configuration first = new Configuration();
        while (!statements.isEmpty()) {
            Optional<Map.Entry<String, String>> setting = setting(statements.peek());
            if (setting.isEmpty()) {
                break;
            }
            first.setString(setting.get().getKey(), setting.get().getValue());
            statements.pop();
        }
        TableEnvironment environment =
                TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(first).build());
        for (String statement : statements) {
            setting(statement)
                    .ifPresentOrElse(
                            each -> environment.getConfig().set(each.getKey(), each.getValue()),
                            () -> environment.executeSql(statement));
        }
    }

    /** Key and value, if the statement sets an option. */
    static Optional<Map.Entry<String, String>> setting(String statement) {
        Matcher found = SET.matcher(statement);
        return found.matches() ? Optional.of(Map.entry(found.group(1), found.group(2))) : Optional.empty();
    }
}
