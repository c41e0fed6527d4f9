SET 'pipeline.name' = 'words';

CREATE TABLE words (
  word INT,
  arrived AS PROCTIME()
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '100',
  'fields.word.min' = '1',
  'fields.word.max' = '5'
);

CREATE TABLE counted (
  window_end TIMESTAMP(3),
  word INT,
  number BIGINT
) WITH (
  'connector' = 'print'
);

-- How often each word came in the last five seconds.
INSERT INTO counted
SELECT window_end, word, COUNT(*)
FROM TABLE(TUMBLE(TABLE words, DESCRIPTOR(arrived), INTERVAL '5' SECOND))
GROUP BY window_start, window_end, word;
