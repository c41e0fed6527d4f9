package dev.flinkoperator.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The statements of an SQL script: they end at semicolons, but not at those in texts, quoted names, comments and
 * statement sets.
 */
final class SqlScript {
    private final String text;
    private final List<String> statements = new ArrayList<>();
    private final StringBuilder open = new StringBuilder();
    private int at;

    private SqlScript(String text) {
        this.text = text;
    }

    /** The statements in order, without comments and without the semicolon at the end. */
    static List<String> statements(String text) {
        SqlScript script = new SqlScript(text);
        script.read();
        return script.statements;
    }

    private void read() {
        while (at < text.length()) {
            char next = text.charAt(at);
            if (text.startsWith("--", at)) {
                skip("\n", true);
            } else if (text.startsWith("/*", at)) {
                skip("*/", false);
            } else if (next == '\'' || next == '`' || next == '"') {
                quoted(next);
            } else if (next == ';') {
                at++;
                end();
            } else {
                open.append(next);
                at++;
            }
        }
        close();
    }

    /** A comment up to its end; the end of the script ends it too where that is {@code allowed}. */
    private void skip(String end, boolean allowed) {
        int found = text.indexOf(end, at + 2);
        if (found < 0 && !allowed) {
            throw new IllegalArgumentException("a comment is not closed: " + near());
        }
        open.append(' ');
        at = found < 0 ? text.length() : found + end.length();
    }

    /** A doubled quotation mark ends one text and begins another, so it needs no care of its own. */
    private void quoted(char mark) {
        int end = text.indexOf(mark, at + 1);
        if (end < 0) {
            throw new IllegalArgumentException("a quotation is not closed: " + near());
        }
        open.append(text, at, end + 1);
        at = end + 1;
    }

    /** A semicolon: it ends the statement, unless that is a statement set that goes on. */
    private void end() {
        String words = open.toString().strip().replaceAll("\\s+", " ").toUpperCase(Locale.ROOT);
        if (words.startsWith("EXECUTE STATEMENT SET BEGIN") && !words.endsWith("; END")) {
            open.append(';');
        } else {
            close();
        }
    }

    private void close() {
        String statement = open.toString().strip();
        open.setLength(0);
        if (!statement.isEmpty()) {
            statements.add(statement);
        }
    }

    private String near() {
        return text.substring(at, Math.min(text.length(), at + 40));
    }
}
