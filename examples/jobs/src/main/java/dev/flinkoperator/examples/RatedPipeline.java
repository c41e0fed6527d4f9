package dev.flinkoperator.examples;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.ReduceFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * A job to scale and to check: a source with a given load, stages with a given cost, and state that
 * proves whether every record was processed exactly once, over failures, rescaling and savepoints.
 */
public final class RatedPipeline {
    private RatedPipeline() {}

    /** Runs the job; the options are in the README. */
    public static void main(String[] args) throws Exception {
        Options options = Options.parse(args);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        build(env, options);
        if (options.name.isEmpty()) {
            env.execute();
        } else {
            env.execute(options.name);
        }
    }

    /** Adds the job to {@code env}. Every operator has a uid, so vertex ids never change. */
    static void build(StreamExecutionEnvironment env, Options options) {
        // All types have serializers that every Flink version can read from a savepoint of another.
        env.configure(new Configuration().set(PipelineOptions.GENERIC_TYPES, false));
        boolean aligned = !env.getCheckpointConfig().isUnalignedCheckpointsEnabled();
        Strictness strictness = new Strictness(aligned, options.failOnViolation);
        Failure failure = new Failure(options.failAt, options.failAttempts);

        DataStream<Event> stream = source(env, options).uid("source");
        for (int i = 0; i < options.stages.size(); i++) {
            Options.StageSpec spec = options.stages.get(i);
            String name = spec.kind + "-" + (i + 1);
            boolean last = !options.verify && i + 1 == options.stages.size();
            stream = stage(stream, name, spec, options, strictness, last ? failure : Failure.NONE);
        }
        if (options.verify) {
            stream = verify(stream, strictness, failure);
        }
        stream.sinkTo(new DiscardingSink<>()).name("discard").uid("sink");
    }

    private static SingleOutputStreamOperator<Event> source(
            StreamExecutionEnvironment env, Options options) {
        WatermarkStrategy<Event> none = WatermarkStrategy.noWatermarks();
        return options.kafka.isEmpty()
                ? env.fromSource(new RatedSource(options), none, "rated")
                : env.fromSource(KafkaEvents.source(options), none, "kafka");
    }

    private static DataStream<Event> stage(
            DataStream<Event> stream,
            String name,
            Options.StageSpec spec,
            Options options,
            Strictness strictness,
            Failure failure) {
        SingleOutputStreamOperator<Event> stage;
        if (spec.kind.equals("async")) {
            Work work = Work.waiting(spec.nanos);
            stage = asynchronous(stream.keyBy(CheckedStage.Subject.KEY, Types.LONG)).reduce(new Newest(work));
        } else if (spec.kind.equals("keyed")) {
            CheckedStage.Subject key = CheckedStage.Subject.KEY;
            Work work = Work.waiting(spec.nanos);
            stage =
                    stream.keyBy(key, Types.LONG)
                            .map(new CheckedStage(name, work, failure, key, strictness));
        } else {
            Work work =
                    spec.kind.equals("cpu") ? Work.computing(spec.nanos) : Work.waiting(spec.nanos);
            // Spread over all subtasks, the stage is a vertex of its own and scales by itself.
            DataStream<Event> input = options.chain ? stream : stream.rebalance();
            stage = input.map(new Stage(name, work, failure));
        }
        return stage.returns(Types.POJO(Event.class)).name(name).uid(name);
    }

    /** The same stream with asynchronous state, which only Flink 2 has; hence by name. */
    @SuppressWarnings("unchecked")
    private static KeyedStream<Event, Long> asynchronous(KeyedStream<Event, Long> stream) {
        try {
            return (KeyedStream<Event, Long>)
                    KeyedStream.class.getMethod("enableAsyncState").invoke(stream);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("a stage async: needs Flink 2", e);
        }
    }

    /** Keeps the newest event of a key, and passes all of them on. */
    private static final class Newest implements ReduceFunction<Event> {
        private static final long serialVersionUID = 1L;
        private final Work work;

        private Newest(Work work) {
            this.work = work;
        }

        @Override
        public Event reduce(Event kept, Event event) throws Exception {
            work.once();
            return event;
        }
    }

    private static DataStream<Event> verify(
            DataStream<Event> stream, Strictness strictness, Failure failure) {
        CheckedStage.Subject partition = CheckedStage.Subject.PARTITION;
        Work none = Work.waiting(0);
        return stream.keyBy(partition, Types.LONG)
                .map(new CheckedStage("verify", none, failure, partition, strictness))
                .name("verify")
                .uid("verify");
    }
}
