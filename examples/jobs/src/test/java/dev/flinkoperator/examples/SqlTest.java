package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** How a script is read; that it runs is seen by the end-to-end tests of the operator. */
class SqlTest {
    @Test
    void statementsEndAtSemicolonsAndTheLastMayHaveNone() {
        assertEquals(List.of("SELECT 1", "SELECT 2"), SqlScript.statements("SELECT 1;\n;SELECT 2\n"));
        assertEquals(List.of(), SqlScript.statements(" ;; -- nothing"));
    }

    @Test
    void aSemicolonInATextANameOrACommentEndsNothing() {
        String text = "SELECT 'a;''b;', `c;d` -- e;\n, \"f;\" /* g;\n */ FROM t; SELECT 2";
        List<String> found = SqlScript.statements(text);
        assertEquals(2, found.size(), found.toString());
        assertTrue(found.get(0).startsWith("SELECT 'a;''b;', `c;d`"), found.get(0));
        assertTrue(found.get(0).endsWith("FROM t") && !found.get(0).contains("g;"), found.get(0));
    }

    @Test
    void aStatementSetIsOneStatement() {
        String set = "EXECUTE STATEMENT SET\nBEGIN\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 2;\nEND";
        assertEquals(List.of(set, "SELECT 3"), SqlScript.statements(set + ";SELECT 3;"));
    }

    @Test
    void whatIsNotClosedIsNamed() {
        for (String text : List.of("SELECT 'a; SELECT 2", "SELECT 1 /* a; SELECT 2")) {
            Exception refusal = assertThrows(IllegalArgumentException.class, () -> SqlScript.statements(text));
            assertTrue(refusal.getMessage().contains("a; SELECT 2"), refusal.getMessage());
        }
    }

    @Test
    void anOptionIsSetByKeyAndValue() {
        assertEquals(Optional.of(Map.entry("a.b", "c d")), SqlRunner.setting("set 'a.b'='c d'"));
        assertEquals(Optional.empty(), SqlRunner.setting("SELECT 1"));
    }

    @Test
    void noScriptIsAMistakeThatIsNamed() {
        Exception refusal = assertThrows(IllegalArgumentException.class, () -> SqlRunner.main(new String[0]));
        assertTrue(refusal.getMessage().contains("SQL script"), refusal.getMessage());
    }
}
