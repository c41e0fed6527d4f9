package dev.flinkoperator.examples;

import java.io.IOException;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;

/** A split: one partition and the offset to read next. */
final class Partition implements SourceSplit {
    final int number;
    final long offset;

    Partition(int number, long offset) {
        this.number = number;
        this.offset = offset;
    }

    @Override
    public String splitId() {
        return Integer.toString(number);
    }

    void write(DataOutputView out) throws IOException {
        out.writeInt(number);
        out.writeLong(offset);
    }

    static Partition read(DataInputView in) throws IOException {
        return new Partition(in.readInt(), in.readLong());
    }

    /** Its form in checkpoints. */
    static final class Serializer implements SimpleVersionedSerializer<Partition> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Partition partition) throws IOException {
            DataOutputSerializer out = new DataOutputSerializer(12);
            partition.write(out);
            return out.getCopyOfBuffer();
        }

        @Override
        public Partition deserialize(int version, byte[] bytes) throws IOException {
            return read(new DataInputDeserializer(bytes));
        }
    }
}
