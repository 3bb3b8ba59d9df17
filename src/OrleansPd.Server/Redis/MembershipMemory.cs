namespace OrleansPd.Server.Redis;

/// <summary>
/// What a silo knows of the membership table: its newest version, and each row in its latest state. The state of a silo only
/// moves forward (joining, active, stopping, dead), so that rows known to several silos can be merged in any order.
/// </summary>
/// <param name="Version">The newest version that was read, written or received from another silo; -1 = none.</param>
/// <param name="Rows">The rows of that version.</param>
internal sealed record MembershipMemory(int Version, ImmutableDictionary<SiloAddress, MembershipEntry> Rows)
{
    public static MembershipMemory Nothing { get; } = new(-1, ImmutableDictionary<SiloAddress, MembershipEntry>.Empty);

    /// <summary>After the table was read.</summary>
    public MembershipMemory With(MembershipTableData table) => table.Version.Version < Version
        ? this
        : new(table.Version.Version, table.Members.Select(row => row.Item1).ToImmutableDictionary(row => row.SiloAddress));

    /// <summary>After this silo has written a row.</summary>
    public MembershipMemory With(MembershipEntry row, int version) =>
        new(Math.Max(version, Version), Rows.SetItem(row.SiloAddress, Copy(row, row.Status)));

    /// <summary>
    /// Adds what Orleans received from other silos and has not read from the table yet. Of a silo that has no row here only the
    /// state and the name are known: its row gets an empty host name, and is replaced by a silo that knows the whole row.
    /// </summary>
    public MembershipMemory With(ClusterMembershipSnapshot snapshot, SiloAddress self)
    {
        var rows = Rows.ToBuilder();
        foreach (var (silo, member) in snapshot.Members)
        {
            if (silo.Equals(self) || member.Status < SiloStatus.Joining)
                continue;
            if (!rows.TryGetValue(silo, out var row))
                rows[silo] = new() { SiloAddress = silo, Status = member.Status, SiloName = member.Name, HostName = "" };
            else if (row.Status < member.Status)
                rows[silo] = Copy(row, member.Status);
        }
        return new(snapshot.Version.Value > Version ? (int)snapshot.Version.Value : Version, rows.ToImmutable());
    }

    /// <summary>Whether the table is older than what is known: it is another one than the table that was read before.</summary>
    public bool IsNewerThan(MembershipTableData table) => table.Version.Version < Version;

    /// <summary>The rows that the table lacks, or has in an earlier state.</summary>
    /// <param name="table">The table.</param>
    /// <param name="dead">Also those of dead silos; Orleans removes them from a table an hour after the death and later.</param>
    public IEnumerable<MembershipEntry> MissingFrom(MembershipTableData table, bool dead) => Rows.Values.Where(row =>
        table.TryGet(row.SiloAddress)?.Item1 is { } found
            ? found.Status < row.Status || (found.HostName.Length == 0 && row.HostName.Length > 0)
            : dead || row.Status != SiloStatus.Dead);

    public static MembershipEntry Copy(MembershipEntry row, SiloStatus status) => new()
    {
        SiloAddress = row.SiloAddress,
        Status = status,
        SuspectTimes = row.SuspectTimes is null ? null : [.. row.SuspectTimes],
        ProxyPort = row.ProxyPort,
        HostName = row.HostName,
        SiloName = row.SiloName,
        RoleName = row.RoleName,
        UpdateZone = row.UpdateZone,
        FaultZone = row.FaultZone,
        StartTime = row.StartTime,
        IAmAliveTime = row.IAmAliveTime,
    };
}
