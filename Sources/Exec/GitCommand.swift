package import Domain

/// What git is told, as commands that nobody has run yet.
///
/// git gets a fixed environment: no configuration of the system or a user, no hooks, no prompts, no transport but that of the
/// clone address. A credential stands in its environment alone and is bound to the account's scheme, host and port, so git gives
/// it to no other server (git-config(1), `http.<url>.*`).
package struct GitCommand: Sendable {
    package static let executable = "/usr/bin/git"

    let account: Account
    let cloneURL: String
    /// The configuration's own `env`: proxies and the like.
    let environment: [String: String]
    /// Path of the deploy key, when git is to use ssh.
    let sshKey: String?
    /// By which a daemon that is started anew knows whose process it finds: `BITTERN_JOB` and `BITTERN_RELEASE`.
    let marks: [String: String]

    package init(account: Account, cloneURL: String, environment: [String: String], sshKey: String?, marks: [String: String] = [:]) {
        self.marks = marks
        self.account = account
        self.cloneURL = cloneURL
        self.environment = environment
        self.sshKey = sshKey
    }

    package func initialise(mirror: String) -> Command {
        git(["init", "--quiet", "--bare", "--end-of-options", mirror])
    }

    /// Fetches one ref; the mirror's own name for it is `local`.
    package func fetch(_ ref: RefName, into local: String, mirror: String) -> Command {
        git([
            "--git-dir=" + mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--force",
            "--end-of-options", cloneURL, "+\(ref.full):\(local)",
        ])
    }

    /// Prints what the forge has of these refs, `OBJECT<tab>NAME` a line each; nothing is fetched.
    ///
    /// git takes a name for the end of one, so other refs may come along: whoever reads the answer compares whole names. The
    /// repository that is not there keeps git from reading the settings of one the daemon may have been started in.
    package func remoteRefs(_ names: [String]) -> Command {
        git(["--git-dir=/nonexistent", "ls-remote", "--quiet", "--end-of-options", cloneURL] + names)
    }

    /// Prints what the forge has of all branches, all tags, or both, in the same form.
    package func remoteRefs(branches: Bool, tags: Bool) -> Command {
        let kinds = (branches ? ["--heads"] : []) + (tags ? ["--tags"] : [])
        return git(["--git-dir=/nonexistent", "ls-remote", "--quiet"] + kinds + ["--end-of-options", cloneURL])
    }

    /// Says, among much else, where the forge leads whoever asks for the repository; git hides what is secret (git(1), GIT_TRACE_REDACT).
    var tracingRedirect: Command {
        var command = remoteRefs(["HEAD"])
        command.environment["GIT_TRACE_CURL"] = "1"
        command.environment["GIT_TRACE_CURL_NO_DATA"] = "1"
        return command
    }

    /// The same for the repository at another address.
    func at(_ url: String) -> GitCommand {
        GitCommand(account: account, cloneURL: url, environment: environment, sshKey: sshKey, marks: marks)
    }

    /// Succeeds when the name stands for something in the mirror.
    package func exists(_ name: String, mirror: String) -> Command {
        git(["--git-dir=" + mirror, "rev-parse", "--quiet", "--verify", "--end-of-options", name])
    }

    /// Prints the commit that `local` stands for, its tree, and its message, each behind a newline.
    package func facts(of local: String, mirror: String) -> Command {
        git(["--git-dir=" + mirror, "log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%H%n%T%n%B", local, "--"])
    }

    /// Prints the names of the files that differ between two commits, a NUL behind each.
    package func changedFiles(_ one: CommitID, _ other: CommitID, mirror: String) -> Command {
        git(["--git-dir=" + mirror, "diff-tree", "-r", "-z", "--name-only", "--no-renames", one.hex, other.hex])
    }

    /// Prints the entries of a commit that have this mode, as ls-tree does, a NUL behind each. Nearly all of a tree are files, so only
    /// the others leave the pipe.
    package func entries(of commit: String, mode: String, mirror: String) -> Command {
        let script = "{ \"$0\" \"$@\" || echo \(Self.listingFailed); } | LC_ALL=C grep -z -e '^\(mode) ' -e '\(Self.listingFailed)' || :"
        let arguments = ["-c", script, Self.executable, "--git-dir=" + mirror, "ls-tree", "-r", "-z", "--full-tree", commit]
        return Command("/bin/sh", arguments, environment: fixedEnvironment)
    }

    static let listingFailed = "bittern:listing-failed"

    /// Prints the names of attribute files in which the index and a commit differ.
    package func changedAttributes(_ commit: String, index: String, mirror: String) -> Command {
        var command = git(["--git-dir=" + mirror, "diff-index", "--cached", "--name-only", commit, "--", ":(glob)**/.gitattributes"])
        command.environment["GIT_INDEX_FILE"] = index
        return command
    }

    /// The same for work that belongs to no job.
    var unmarked: GitCommand {
        GitCommand(account: account, cloneURL: cloneURL, environment: environment, sshKey: sshKey)
    }

    /// Prints what a file of git's own form holds in a commit: `key`, a newline, `value`, NUL. Fails where it has none.
    package func settings(in file: String, of commit: String, mirror: String) -> Command {
        git(["--git-dir=" + mirror, "config", "--blob", "\(commit):\(file)", "--null", "--list"])
    }

    /// Prints how many bytes the files of a commit have together, and how many files it has; it counts no further than to one more than
    /// `atMost`.
    package func size(of commit: String, atMost: Int, mirror: String) -> Command {
        let add = "awk '{ bytes += $1 } END { printf \"%.0f %.0f\\n\", bytes, NR }'"
        let script = "\"$0\" \"$@\" | head -n \(atMost + 1) | \(add)"
        let list = ["ls-tree", "-r", "--full-tree", "--format=%(objectsize)", commit]
        return Command("/bin/sh", ["-c", script, Self.executable, "--git-dir=" + mirror] + list, environment: fixedEnvironment)
    }

    /// Makes one pack of the small ones, until each is at least twice as large as the next; what nothing reaches stays, too.
    package func gather(mirror: String) -> Command {
        git(["--git-dir=" + mirror, "repack", "--quiet", "--geometric=2", "-d"])
    }

    /// Fetches all branches and tags; of a submodule nobody knows which of them holds its commit.
    package func fetchAll(mirror: String) -> Command {
        git([
            "--git-dir=" + mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--force",
            "--prune",
            "--end-of-options", cloneURL, "+refs/heads/*:refs/bittern/all/heads/*", "+refs/tags/*:refs/bittern/all/tags/*",
        ])
    }

    /// Fetches one commit that no branch holds any more, where the server gives it away.
    package func fetch(commit: String, mirror: String) -> Command {
        git([
            "--git-dir=" + mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--end-of-options", cloneURL, "\(commit):refs/bittern/keep/\(commit)",
        ])
    }

    /// Brings the commit's large files into the mirror.
    ///
    /// - Parameter stores: what the repository says of where they are; a mirror has no files that git-lfs could read it from.
    package func fetchLargeFiles(_ commit: String, stores: [(key: String, value: String)], mirror: String) -> Command {
        let settings = stores.filter { Self.keysOfStores.contains($0.key) }.flatMap { ["-c", "\($0.key)=\($0.value)"] }
        var command = git(settings + ["lfs", "fetch", "origin", commit])
        command.environment["GIT_DIR"] = mirror
        command.directory = mirror
        return command
    }

    private static let keysOfStores = ["lfs.url", "remote.origin.lfsurl"]

    /// Writes the commit's large files into the tree in the place of their pointers.
    package func writeLargeFiles(tree: String, index: String, mirror: String, umask: UInt16) -> Command {
        var environment = fixedEnvironment
        environment["GIT_DIR"] = mirror
        environment["GIT_WORK_TREE"] = tree
        environment["GIT_INDEX_FILE"] = index
        // `git lfs checkout` wants a HEAD, which a mirror has none of; so git writes those files anew, with the filter on, after they are
        // gone: what looks as the index has it git leaves alone.
        let filter = [
            "filter.lfs.process": "git-lfs filter-process", "filter.lfs.smudge": "git-lfs smudge -- %f", "filter.lfs.required": "true",
        ]
        let words =
            filter.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] } + ["checkout-index", "--force", "-z", "--stdin"]
        let list = "\"$0\" ls-files -z -- ':(attr:filter=lfs)'"
        let script = "\(list) | xargs -0 -r rm -f --; \(list) | \"$0\" \"$@\""
        return StepOrder.withUmask(umask, "/bin/sh", ["-c", script, Self.executable] + words, environment, directory: tree)
    }

    /// Prints the object each name stands for, a line each, up to the first that is not in the mirror; then it fails. The names are
    /// our own and hexadecimal: of several names git 2.39 takes `--end-of-options` for one.
    package func resolve(_ names: [String], mirror: String) -> Command {
        git(["--git-dir=" + mirror, "rev-parse"] + names)
    }

    /// Succeeds when one commit can be reached from the other.
    package func isAncestor(_ one: CommitID, of other: CommitID, mirror: String) -> Command {
        git(["--git-dir=" + mirror, "merge-base", "--is-ancestor", one.hex, other.hex])
    }

    /// Brings `tree` to hold all files of the commit. `index` says what it holds before, where it is there, and only what differs is
    /// written; nobody else uses it.
    package func checkout(_ commit: String, tree: String, index: String, mirror: String, umask: UInt16) -> Command {
        let arguments = ["--git-dir=" + mirror, "--work-tree=" + tree, "read-tree", "--reset", "-u", commit]
        var environment = fixedEnvironment
        environment["GIT_INDEX_FILE"] = index
        return StepOrder.withUmask(umask, Self.executable, arguments, environment, directory: tree)
    }

    private func git(_ arguments: [String]) -> Command {
        Command(Self.executable, arguments, environment: fixedEnvironment)
    }

    private var fixedEnvironment: [String: String] {
        var all = environment.filter { !$0.key.hasPrefix("GIT_") && !$0.key.hasPrefix("SSH_") }
        all.merge(marks) { _, mark in mark }
        all["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        all["HOME"] = "/nonexistent"
        all["LC_ALL"] = "C"
        all["GIT_CONFIG_NOSYSTEM"] = "1"
        all["GIT_CONFIG_GLOBAL"] = "/dev/null"
        all["GIT_ATTR_NOSYSTEM"] = "1"
        all["GIT_TERMINAL_PROMPT"] = "0"
        // Whoever asks for a password gets none; without these git would look for a helper program.
        all["GIT_ASKPASS"] = "/bin/false"
        all["SSH_ASKPASS"] = "/bin/false"
        all["GIT_ALLOW_PROTOCOL"] = transport
        if transport == "ssh" {
            all["GIT_SSH_COMMAND"] = sshCommand
            all["GIT_SSH_VARIANT"] = "ssh"
        }
        let settings = self.settings
        all["GIT_CONFIG_COUNT"] = String(settings.count)
        for (index, setting) in settings.enumerated() {
            all["GIT_CONFIG_KEY_\(index)"] = setting.key
            all["GIT_CONFIG_VALUE_\(index)"] = setting.value
        }
        return all
    }

    /// The one transport the configuration names: `https`, `http`, `ssh` or `file`.
    package var transport: String {
        cloneURL.firstRange(of: "://").map { String(cloneURL[..<$0.lowerBound]) } ?? "file"
    }

    private var settings: [(key: String, value: String)] {
        var settings = [
            // For git-lfs, which wants a remote of that name.
            ("remote.origin.url", cloneURL),
            ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("credential.helper", ""),
            ("gc.auto", "0"), ("maintenance.auto", "false"), ("advice.detachedHead", "false"),
            // A redirect would lead to a server the configuration does not name.
            ("http.followRedirects", "false"),
            // What comes from outside is looked at before it is kept (git-fsck(1)); old histories have these, and they do no harm.
            ("transfer.fsckObjects", "true"), ("fetch.fsck.zeroPaddedFilemode", "ignore"), ("fetch.fsck.badTimezone", "ignore"),
            ("fetch.fsck.missingSpaceBeforeDate", "ignore"), ("fetch.fsck.missingEmail", "ignore"),
            // A transfer that stands still for a minute is given up.
            ("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "60"),
        ]
        if let base = account.gitBaseURL {
            if let authorization = account.gitAuthorization {
                let value = authorization.withBytes { String(decoding: $0, as: UTF8.self) }
                settings.append(("http.\(base).extraHeader", "Authorization: \(value)"))
            }
            if let authority = account.certificateAuthority { settings.append(("http.\(base).sslCAInfo", authority)) }
            if let proxy = account.proxy { settings.append(("http.\(base).proxy", proxy == "none" ? "" : proxy)) }
        }
        return settings.map { (key: $0.0, value: $0.1) }
    }

    private var sshCommand: String {
        var words = [
            "ssh", "-F", "/dev/null", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20", "-oServerAliveInterval=20",
        ]
        if let known = account.ssh?.knownHosts {
            words += ["-oUserKnownHostsFile=" + Self.quotedForSSH(known), "-oGlobalKnownHostsFile=/dev/null"]
        }
        if let sshKey { words += ["-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-i", sshKey] }
        return words.map(Self.quotedForShell).joined(separator: " ")
    }

    /// git hands the command to a shell (git(1), GIT_SSH_COMMAND).
    private static func quotedForShell(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// ssh splits the value of UserKnownHostsFile at white space unless it is quoted (ssh_config(5)).
    private static func quotedForSSH(_ path: String) -> String {
        "\"" + path + "\""
    }
}
