//! The described part of a pod template's schema, in our own words and to the depth people use.
//!
//! One rule: types are those of the Kubernetes API, and whatever is not named here is kept.

use serde_json::{Map, Value, json};

/// A schema under construction.
type Fields = Map<String, Value>;

/// How much of a pod is described.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All that people commonly write.
    Full,
    /// Only the outline: the full shape is described once per CRD, at `spec.podTemplate`.
    Outline,
}

/// The whole template: a Pod whose parts are all optional.
pub(super) fn template(depth: Depth) -> Fields {
    object(
        "Pod template.",
        [
            ("apiVersion", text("`v1`; may be left out.")),
            ("kind", text("`Pod`; may be left out.")),
            ("metadata", metadata("Labels and annotations of the pods.")),
            (
                "spec",
                match depth {
                    Depth::Full => pod_spec(),
                    Depth::Outline => outline(),
                },
            ),
            ("status", object("Accepted and ignored.", [])),
        ],
    )
}

/// Object metadata, of which labels and annotations matter.
pub(super) fn metadata(description: &str) -> Fields {
    object(
        description,
        [
            (
                "name",
                text("Accepted and ignored: the operator names its objects."),
            ),
            ("labels", map("Labels; those that Flink sets win.")),
            ("annotations", map("Annotations of the object.")),
        ],
    )
}

/// Object metadata in full, as the blue/green template accepts it and ignores it.
pub(super) fn object_meta() -> Fields {
    object(
        "",
        [
            ("name", text("Name of the object.")),
            ("generateName", text("Prefix of a generated name.")),
            ("namespace", text("Namespace of the object.")),
            ("labels", map("Labels of the object.")),
            ("annotations", map("Annotations of the object.")),
            (
                "finalizers",
                list("What holds its deletion up.", plain_text()),
            ),
            ("ownerReferences", list("Objects it ends with.", owner())),
            ("uid", text("Unique id.")),
            ("resourceVersion", text("Version of the stored object.")),
            ("generation", integer("int64", "Generation of the spec.")),
            ("creationTimestamp", text("When it was created.")),
            (
                "deletionTimestamp",
                text("When its deletion was asked for."),
            ),
            (
                "deletionGracePeriodSeconds",
                integer("int64", "Seconds given to end."),
            ),
            ("selfLink", text("Obsolete path of the object.")),
            (
                "managedFields",
                list("Who set which fields.", managed_fields()),
            ),
        ],
    )
}

fn owner() -> Fields {
    object(
        "One owner.",
        [
            ("apiVersion", text("Group and version.")),
            ("kind", text("Kind of the owner.")),
            ("name", text("Name of the owner.")),
            ("uid", text("Unique id.")),
            ("controller", boolean("Whether it manages the object.")),
            (
                "blockOwnerDeletion",
                boolean("Whether it waits for the object."),
            ),
        ],
    )
}

fn managed_fields() -> Fields {
    object(
        "Fields of one manager.",
        [
            ("manager", text("Name of the manager.")),
            ("operation", text("`Apply` or `Update`.")),
            ("apiVersion", text("Version the fields were written in.")),
            ("fieldsType", text("`FieldsV1`.")),
            ("fieldsV1", object("The fields.", [])),
            ("subresource", text("Subresource written through.")),
            ("time", text("When they were written.")),
        ],
    )
}

fn pod_spec() -> Fields {
    object(
        "The pod. Fields not listed here are passed on as well.",
        [
            (
                "containers",
                list(
                    "Containers. `flink-main-container` is merged into Flink's own, others run beside it.",
                    container(),
                ),
            ),
            (
                "initContainers",
                list("Containers that run to completion first.", init_container()),
            ),
            (
                "volumes",
                list("Volumes that containers may mount.", volume()),
            ),
            ("nodeSelector", map("Labels a node must have.")),
            (
                "tolerations",
                list("Node taints the pods accept.", toleration()),
            ),
            (
                "affinity",
                object("Rules that draw pods to nodes or keep them apart.", []),
            ),
            (
                "topologySpreadConstraints",
                list(
                    "How pods spread over zones or nodes.",
                    object("One constraint.", []),
                ),
            ),
            (
                "serviceAccountName",
                text("Overridden by `spec.serviceAccount`."),
            ),
            (
                "imagePullSecrets",
                list(
                    "Secrets for pulling images.",
                    named("Reference to a Secret."),
                ),
            ),
            (
                "securityContext",
                object("User, group and file system group of the pod.", []),
            ),
            ("priorityClassName", text("Priority class of the pods.")),
            ("schedulerName", text("Scheduler of the pods.")),
            ("runtimeClassName", text("Runtime class of the pods.")),
            ("hostNetwork", boolean("Whether to use the node's network.")),
            (
                "dnsPolicy",
                text("How names are resolved, such as `ClusterFirst`."),
            ),
            (
                "terminationGracePeriodSeconds",
                integer(
                    "int64",
                    "Seconds from asking a pod to stop until it is killed.",
                ),
            ),
        ],
    )
}

/// The parts of a pod that overlays change most, without their inner shape.
fn outline() -> Fields {
    object(
        "The pod; fields as in `spec.podTemplate.spec`.",
        [
            (
                "containers",
                list(
                    "Containers, merged by name.",
                    object(
                        "One container.",
                        [
                            ("name", text("Name; `flink-main-container` is Flink's own.")),
                            (
                                "env",
                                list("Environment variables.", object("One variable.", [])),
                            ),
                            ("resources", object("Requests and limits.", [])),
                            (
                                "volumeMounts",
                                list("Volumes to mount.", object("One mount.", [])),
                            ),
                        ],
                    ),
                ),
            ),
            (
                "initContainers",
                list("Containers that run first.", named("One container.")),
            ),
            ("volumes", list("Volumes of the pod.", named("One volume."))),
            ("nodeSelector", map("Labels a node must have.")),
            (
                "tolerations",
                list(
                    "Node taints the pods accept.",
                    object("One toleration.", []),
                ),
            ),
            (
                "affinity",
                object("Rules that draw pods to nodes or keep them apart.", []),
            ),
            (
                "securityContext",
                object("User, group and file system group of the pod.", []),
            ),
            ("priorityClassName", text("Priority class of the pods.")),
        ],
    )
}

fn container() -> Fields {
    object(
        "One container.",
        [
            ("name", text("Name; `flink-main-container` is Flink's own.")),
            (
                "image",
                text("Image; of Flink's container set by `spec.image`."),
            ),
            (
                "imagePullPolicy",
                text("`Always`, `IfNotPresent` or `Never`."),
            ),
            ("command", list("Entry point.", plain_text())),
            ("args", list("Arguments of the entry point.", plain_text())),
            ("env", list("Environment variables.", variable())),
            (
                "envFrom",
                list(
                    "Sources of many variables.",
                    object("One ConfigMap or Secret.", []),
                ),
            ),
            ("ports", list("Ports the container listens on.", port())),
            ("resources", resources()),
            ("volumeMounts", list("Volumes to mount.", mount())),
            (
                "livenessProbe",
                object("When to restart the container.", []),
            ),
            (
                "readinessProbe",
                object("When the container can serve.", []),
            ),
            (
                "startupProbe",
                object("When the container has started.", []),
            ),
            (
                "lifecycle",
                object("Hooks after start and before stop.", []),
            ),
            (
                "securityContext",
                object("User, capabilities and privileges.", []),
            ),
        ],
    )
}

fn init_container() -> Fields {
    object(
        "One container; fields as in `containers`.",
        [
            ("name", text("Name of the container.")),
            ("image", text("Image to run.")),
            ("command", list("Entry point.", plain_text())),
            ("args", list("Arguments of the entry point.", plain_text())),
            (
                "env",
                list("Environment variables.", object("One variable.", [])),
            ),
            (
                "volumeMounts",
                list("Volumes to mount.", object("One mount.", [])),
            ),
        ],
    )
}

fn variable() -> Fields {
    object(
        "One variable.",
        [
            ("name", text("Name of the variable.")),
            ("value", text("Value; quote numbers.")),
            (
                "valueFrom",
                object("Value from a Secret, ConfigMap or field.", []),
            ),
        ],
    )
}

fn port() -> Fields {
    object(
        "One port.",
        [
            ("name", text("Name of the port.")),
            ("containerPort", integer("int32", "Number of the port.")),
            ("protocol", text("`TCP`, `UDP` or `SCTP`.")),
        ],
    )
}

fn resources() -> Fields {
    object(
        "Requests and limits. Of Flink's container set by `resource` and `resources`.",
        [
            ("limits", quantities("Upper bounds.")),
            ("requests", quantities("Reserved amounts.")),
        ],
    )
}

fn mount() -> Fields {
    object(
        "One mount.",
        [
            ("name", text("Name of the volume.")),
            ("mountPath", text("Where it appears in the container.")),
            ("subPath", text("Part of the volume to mount.")),
            ("readOnly", boolean("Whether writing is forbidden.")),
        ],
    )
}

fn volume() -> Fields {
    object(
        "One volume, with one source.",
        [
            ("name", text("Name for mounts to refer to.")),
            ("configMap", object("Files from a ConfigMap.", [])),
            ("secret", object("Files from a Secret.", [])),
            ("emptyDir", object("Scratch space of the pod.", [])),
            ("persistentVolumeClaim", object("A claim by name.", [])),
            ("hostPath", object("A path of the node.", [])),
            ("projected", object("Several sources in one directory.", [])),
            ("ephemeral", object("A claim made for the pod.", [])),
            ("csi", object("A volume of a CSI driver.", [])),
        ],
    )
}

fn toleration() -> Fields {
    object(
        "One toleration.",
        [
            ("key", text("Key of the taint; all if absent.")),
            ("operator", text("`Equal` or `Exists`.")),
            ("value", text("Value of the taint.")),
            (
                "effect",
                text("`NoSchedule`, `PreferNoSchedule` or `NoExecute`."),
            ),
            (
                "tolerationSeconds",
                integer("int64", "Seconds until eviction."),
            ),
        ],
    )
}

fn named(description: &str) -> Fields {
    object(description, [("name", text("Name of it."))])
}

fn object<const N: usize>(description: &str, properties: [(&str, Fields); N]) -> Fields {
    let mut schema = described("object", description);
    schema.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
    if N > 0 {
        let properties: Fields = properties
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), Value::Object(schema)))
            .collect();
        schema.insert("properties".into(), Value::Object(properties));
    }
    schema
}

fn list(description: &str, items: Fields) -> Fields {
    let mut schema = described("array", description);
    schema.insert("items".into(), Value::Object(items));
    schema
}

fn map(description: &str) -> Fields {
    let mut schema = described("object", description);
    schema.insert("additionalProperties".into(), json!({ "type": "string" }));
    schema
}

fn quantities(description: &str) -> Fields {
    let mut schema = described("object", description);
    schema.insert(
        "additionalProperties".into(),
        json!({ "x-kubernetes-int-or-string": true }),
    );
    schema
}

fn text(description: &str) -> Fields {
    described("string", description)
}

fn plain_text() -> Fields {
    Fields::from_iter([("type".to_owned(), json!("string"))])
}

fn boolean(description: &str) -> Fields {
    described("boolean", description)
}

fn integer(format: &str, description: &str) -> Fields {
    let mut schema = described("integer", description);
    schema.insert("format".into(), json!(format));
    schema
}

fn described(type_name: &str, description: &str) -> Fields {
    let mut schema = Fields::new();
    schema.insert("type".into(), json!(type_name));
    schema.insert("description".into(), json!(description));
    schema
}
