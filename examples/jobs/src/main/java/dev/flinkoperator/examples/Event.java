package dev.flinkoperator.examples;

/** One record: where it was read, and its place in the sequence of its key. A Flink POJO. */
public class Event {
    /** Partition it was read from. */
    public int partition;

    /** Place in the partition, from 0 without gaps. */
    public long offset;

    /** Key; every key belongs to one partition. */
    public long key;

    /** Place among the records of the same key, from 0 without gaps. */
    public long ordinal;

    /** For Flink. */
    public Event() {}

    /**
     * The record at an offset. Keys take turns, so that key and ordinal follow from the offset alone
     * and a replay gives the same record again.
     */
    public static Event at(int partition, long offset, int keysPerPartition) {
        Event event = new Event();
        event.partition = partition;
        event.offset = offset;
        event.key = (long) partition * keysPerPartition + offset % keysPerPartition;
        event.ordinal = offset / keysPerPartition;
        return event;
    }
}
