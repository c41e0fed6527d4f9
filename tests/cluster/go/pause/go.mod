module flink-operator.local/pause

go 1.26
