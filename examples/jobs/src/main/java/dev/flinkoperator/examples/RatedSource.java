package dev.flinkoperator.examples;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * A source that behaves like a partitioned log: records become available by a {@link Schedule}, wait
 * in their partition until a reader takes them, and are replayed from the checkpointed offset.
 */
final class RatedSource
        implements Source<Event, Partition, RatedEnumerator.State>, ResultTypeQueryable<Event> {
    private static final long serialVersionUID = 1L;

    private final Options options;

    RatedSource(Options options) {
        this.options = options;
    }

    @Override
    public Boundedness getBoundedness() {
        return options.records == Timeline.UNBOUNDED
                ? Boundedness.CONTINUOUS_UNBOUNDED
                : Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<Event, Partition> createReader(SourceReaderContext context) {
        return new RatedReader(context, options);
    }

    @Override
    public SplitEnumerator<Partition, RatedEnumerator.State> createEnumerator(
            SplitEnumeratorContext<Partition> context) {
        return RatedEnumerator.fresh(context, options);
    }

    @Override
    public SplitEnumerator<Partition, RatedEnumerator.State> restoreEnumerator(
            SplitEnumeratorContext<Partition> context, RatedEnumerator.State state) {
        return RatedEnumerator.restored(context, options, state);
    }

    @Override
    public SimpleVersionedSerializer<Partition> getSplitSerializer() {
        return new Partition.Serializer();
    }

    @Override
    public SimpleVersionedSerializer<RatedEnumerator.State> getEnumeratorCheckpointSerializer() {
        return new RatedEnumerator.StateSerializer();
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return TypeInformation.of(Event.class);
    }
}
