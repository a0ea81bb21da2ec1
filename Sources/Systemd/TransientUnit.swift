/// A service that exists for as long as it is of use (`StartTransientUnit`, org.freedesktop.systemd1(5)): one program with its sandbox, its
/// limits and its three descriptors.
///
/// Nothing secret belongs into it: `systemctl show` prints it to everybody.
package struct TransientUnit: Sendable, Equatable {
    /// With `.service`.
    package var name: String
    package var description: String
    /// Absolute path and arguments. Over the bus systemd replaces `${x}` and `$$` in them, so they hold nothing from outside.
    package var program: [String]
    package var user: String
    package var directory: String
    package var slice: String
    /// Bytes, percent of one processor, processes and threads; nil: no limit.
    package var memory: Int?
    package var processor: Int?
    package var tasks: Int?
    /// After which the service is ended with the result `timeout`.
    package var runtime: Duration?
    /// Where it may write; everything else is read-only.
    package var writable: [String] = []
    /// What it cannot even see; what is not there is passed over.
    package var inaccessible: [String] = []
    /// Directories that are empty to it, but for what of them is in ``bound``.
    package var emptied: [String] = []
    /// What it sees read-only where it is; what is not there is passed over.
    package var bound: [String] = []
    package var hasNetwork = true
    /// Whether the manager keeps it after its program has ended, for somebody to ask how.
    package var remains = true
    /// Bytes of any file it writes; nil: no limit.
    package var fileSize: Int?
    /// Standard input, output and error, in this order. They stay the caller's, to be closed once the unit is started.
    package var descriptors: [CInt]

    package init(
        name: String, description: String, program: [String], user: String, directory: String, slice: String, descriptors: [CInt]
    ) {
        self.name = name
        self.description = description
        self.program = program
        self.user = user
        self.directory = directory
        self.slice = slice
        self.descriptors = descriptors
    }

    /// The values that the manager of units knows, by its names for them (systemd.exec(5), systemd.resource-control(5)).
    enum Value: Equatable {
        case text(String)
        case flag(Bool)
        case number(UInt64)
        case count(UInt32)
        case list([String])
        case program([String])
        case descriptor(CInt)
        /// Directories for TemporaryFileSystem=.
        case emptied([String])
        /// Paths for BindReadOnlyPaths=.
        case bound([String])
    }

    /// All of it, in the order in which it is sent.
    var properties: [(name: String, value: Value)] {
        var properties: [(name: String, value: Value)] = [
            ("Description", .text(description)),
            ("Type", .text("exec")),
            ("ExecStart", .program(program)),
            // Without root's rights Swift's Dispatch cannot raise the priority of a thread, and would say so in the journal each time.
            ("Environment", .list(["LIBDISPATCH_LOG=NO"])),
            ("User", .text(user)),
            ("WorkingDirectory", .text(directory)),
            ("Slice", .text(slice)),
            // A unit that ended well would be unloaded at once, and look like one that never was.
            ("RemainAfterExit", .flag(remains)),
            ("CollectMode", .text(remains ? "inactive" : "inactive-or-failed")),
            // The supervisor alone is asked to end, and ends what it supervises; whatever is left of the control group is killed then. Asked
            // all together, the command could die before its supervisor knows why.
            ("KillMode", .text("mixed")),
            ("TimeoutStopUSec", .number(12_000_000)),
            ("OOMPolicy", .text("kill")),
            ("LimitCORE", .number(0)),
            // Behind everything else that wants the machine.
            ("CPUWeight", .number(20)),
            ("IOWeight", .number(20)),
            ("NoNewPrivileges", .flag(true)),
            ("PrivateTmp", .flag(true)),
            ("ProtectSystem", .text("strict")),
            ("ReadWritePaths", .list(writable)),
            ("InaccessiblePaths", .list(inaccessible.map { "-" + $0 })),
            ("TemporaryFileSystem", .emptied(emptied)),
            ("BindReadOnlyPaths", .bound(bound)),
            ("PrivateNetwork", .flag(!hasNetwork)),
            // The supervisor keeps its command to a rate and says what it left out; see bittern.service.
            ("LogRateLimitIntervalUSec", .number(1_000_000)),
            ("LogRateLimitBurst", .count(100_000_000)),
            ("CPUAccounting", .flag(true)),
            ("MemoryAccounting", .flag(true)),
            ("TasksAccounting", .flag(true)),
        ]
        if let memory { properties.append(("MemoryMax", .number(UInt64(memory)))) }
        if let processor { properties.append(("CPUQuotaPerSecUSec", .number(UInt64(processor) * 10_000))) }
        if let tasks { properties.append(("TasksMax", .number(UInt64(tasks)))) }
        if let fileSize { properties.append(("LimitFSIZE", .number(UInt64(fileSize)))) }
        if let runtime {
            let parts = runtime.components
            properties.append(
                ("RuntimeMaxUSec", .number(UInt64(parts.seconds) * 1_000_000 + UInt64(parts.attoseconds / 1_000_000_000_000))))
        }
        for (name, descriptor) in zip(Self.streams, descriptors) {
            properties.append(("Standard\(name)FileDescriptor", .descriptor(descriptor)))
        }
        return properties
    }

    private static let streams = ["Input", "Output", "Error"]
}

/// What the manager knows of a service.
package struct UnitState: Sendable, Equatable {
    /// `active`, `activating`, `deactivating`, `inactive` or `failed`.
    package var active: String
    /// `running`, or `exited` for one that remains after its program has ended.
    package var sub: String
    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill` and others (systemd.service(5), $SERVICE_RESULT).
    package var result: String
    /// `CLD_EXITED`, `CLD_KILLED` or `CLD_DUMPED` (waitid(2)); 0 while the program runs.
    package var code: Int32
    /// The exit status, or the signal.
    package var status: Int32
    /// Nanoseconds of the processor; nil: not known.
    package var processorTime: UInt64?
    /// MemoryMax= in bytes; nil: none.
    package var memoryLimit: UInt64?

    /// Whether the manager has come to it; before that it looks as if it had ended.
    package var hasBegun: Bool

    /// Whether the program has ended.
    package var hasEnded: Bool { active == "failed" || sub == "exited" || hasBegun && (active == "inactive" || sub == "dead") }
}
