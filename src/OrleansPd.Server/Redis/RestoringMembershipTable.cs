using Orleans.Clustering.Redis;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// The membership table of Orleans' Redis provider, for a Redis that may lose it. Without its table a running cluster continues,
/// but a silo that starts would find no other and form a second cluster under the same name. So each silo remembers the table;
/// one that reads an older table than it knows, or none, writes what is missing, row by row and through the provider's own
/// operations. Running silos ignore the table until its version is above all they know, and that version is written last. A silo
/// that is known to be dead stays dead.
/// </summary>
/// <param name="inner">The provider's table.</param>
/// <param name="self">This silo.</param>
/// <param name="redis">Holds the lock of the silo that restores.</param>
/// <param name="key">The key of that lock.</param>
/// <param name="restart">Tells whether Redis has just started.</param>
/// <param name="received">What Orleans knows of the cluster; it includes what other silos sent directly.</param>
/// <param name="clock">The time.</param>
/// <param name="log">Where it reports losses.</param>
internal sealed class RestoringMembershipTable(
    IMembershipTable inner, SiloAddress self, IDatabase redis, RedisKey key, RedisRestart restart,
    Func<ClusterMembershipSnapshot> received, TimeProvider clock, ILogger<RestoringMembershipTable> log) : IMembershipTable
{
    /// <summary>Orleans keeps the row of a dead silo for an hour at least: within less, no row disappears from a table.</summary>
    private static readonly TimeSpan RowsStay = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan LockTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private const int WritesPerLockRenewal = 256;

    private readonly Lock _lock = new();
    private MembershipMemory _memory = MembershipMemory.Nothing;
    private DateTimeOffset _readAt = clock.GetUtcNow();

    /// <summary>
    /// Waits for the silos of a cluster whose table was lost; only then a table that is not there is a new cluster's.
    /// </summary>
    public async Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken = default)
    {
        await inner.InitializeMembershipTableAsync(false, cancellationToken);
        await restart.AwaitClusterAsync(() => ExistsAsync(cancellationToken), cancellationToken);
        while (await redis.KeyExistsAsync(key).WaitAsync(cancellationToken))
            await Task.Delay(Poll, clock, cancellationToken);
        await inner.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken);
    }

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        var (known, recent) = Known(); // before the read: a table that is read later cannot be older
        var table = await ReadAsync(known, cancellationToken);
        return table is null || IsLost(known, recent, table) ? await RestoreAsync(cancellationToken) : Remember(table);
    }

    public Task<MembershipTableData> ReadRowAsync(SiloAddress key, CancellationToken cancellationToken = default) =>
        inner.ReadRowAsync(key, cancellationToken);

    public async Task<bool> InsertRowAsync(
        MembershipEntry entry, TableVersion tableVersion, CancellationToken cancellationToken = default) =>
        Remember(await inner.InsertRowAsync(entry, tableVersion, cancellationToken), entry, tableVersion);

    public async Task<bool> UpdateRowAsync(
        MembershipEntry entry, string etag, TableVersion tableVersion, CancellationToken cancellationToken = default)
    {
        var written = await inner.UpdateRowAsync(entry, etag, tableVersion, cancellationToken);
        if (written && !entry.SiloAddress.Equals(self))
            ReportVote(entry);
        return Remember(written, entry, tableVersion);
    }

    public Task UpdateIAmAliveAsync(MembershipEntry entry, CancellationToken cancellationToken = default) =>
        inner.UpdateIAmAliveAsync(entry, cancellationToken);

    public Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken = default) =>
        inner.DeleteMembershipTableEntriesAsync(clusterId, cancellationToken);

    public Task CleanupDefunctSiloEntriesAsync(DateTimeOffset beforeDate, CancellationToken cancellationToken = default) =>
        inner.CleanupDefunctSiloEntriesAsync(beforeDate, cancellationToken);

    Task IMembershipTable.InitializeMembershipTable(bool tryInitTableVersion) =>
        InitializeMembershipTableAsync(tryInitTableVersion);

    Task<MembershipTableData> IMembershipTable.ReadAll() => ReadAllAsync();

    Task<MembershipTableData> IMembershipTable.ReadRow(SiloAddress key) => ReadRowAsync(key);

    Task<bool> IMembershipTable.InsertRow(MembershipEntry entry, TableVersion tableVersion) =>
        InsertRowAsync(entry, tableVersion);

    Task<bool> IMembershipTable.UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        UpdateRowAsync(entry, etag, tableVersion);

    Task IMembershipTable.UpdateIAmAlive(MembershipEntry entry) => UpdateIAmAliveAsync(entry);

    Task IMembershipTable.DeleteMembershipTableEntries(string clusterId) => DeleteMembershipTableEntriesAsync(clusterId);

    Task IMembershipTable.CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => CleanupDefunctSiloEntriesAsync(beforeDate);

    /// <summary>Orleans changes the row of another silo only to vote against it, and for its death.</summary>
    private void ReportVote(MembershipEntry entry)
    {
        if (entry.Status == SiloStatus.Dead)
            Log.SiloDeclaredDead(log, entry.SiloAddress.Endpoint, entry.SiloName);
        else
            Log.SiloSuspected(log, entry.SiloAddress.Endpoint, entry.SiloName, entry.SuspectTimes?.Count ?? 0);
    }

    /// <summary>What is known now, and whether the table was read a short time ago.</summary>
    private (MembershipMemory Known, bool Recent) Known()
    {
        var snapshot = received();
        lock (_lock)
        {
            // A silo that is dead, or leaves as such, has nothing to say any more.
            if (_memory.Rows.GetValueOrDefault(self)?.Status == SiloStatus.Dead
                || snapshot.Members.GetValueOrDefault(self)?.Status == SiloStatus.Dead)
            {
                return (MembershipMemory.Nothing, false);
            }
            return (_memory.With(snapshot, self), clock.GetUtcNow() - _readAt < RowsStay);
        }
    }

    private MembershipTableData Remember(MembershipTableData table)
    {
        lock (_lock)
            (_memory, _readAt) = (_memory.With(table), clock.GetUtcNow());
        return table;
    }

    private bool Remember(bool written, MembershipEntry row, TableVersion version)
    {
        if (written)
        {
            lock (_lock)
                _memory = _memory.With(row, version.Version);
        }
        return written;
    }

    /// <summary>
    /// A silo that has not read the table for long cannot tell lost rows from removed ones: it may have been declared dead, and
    /// Orleans ends it for that.
    /// </summary>
    private static bool IsLost(MembershipMemory known, bool recent, MembershipTableData table) =>
        known.IsNewerThan(table) || (recent && known.MissingFrom(table, dead: false).Any());

    /// <returns>Null: Redis has no table, and this silo knows one.</returns>
    private async Task<MembershipTableData?> ReadAsync(MembershipMemory known, CancellationToken cancellationToken)
    {
        try
        {
            return await inner.ReadAllAsync(cancellationToken);
        }
        catch (RedisClusteringException) when (known.Version >= 0)
        {
            return null;
        }
    }

    private async Task<bool> ExistsAsync(CancellationToken cancellationToken)
    {
        try
        {
            await inner.ReadAllAsync(cancellationToken);
            return true;
        }
        catch (RedisClusteringException)
        {
            return false;
        }
    }

    /// <summary>One silo restores at a time; the others wait for it, and add what it did not know.</summary>
    private async Task<MembershipTableData> RestoreAsync(CancellationToken cancellationToken)
    {
        var owner = (RedisValue)$"{self} {Guid.NewGuid()}";
        while (true)
        {
            var (known, recent) = Known();
            var table = await ReadAsync(known, cancellationToken);
            if (table is not null && !IsLost(known, recent, table))
                return Remember(table);
            if (!await redis.LockTakeAsync(key, owner, LockTime).WaitAsync(cancellationToken))
            {
                await Task.Delay(Poll, clock, cancellationToken);
                continue;
            }
            try
            {
                return Remember(await WriteMissingAsync(known, owner, cancellationToken));
            }
            finally
            {
                await redis.LockReleaseAsync(key, owner);
            }
        }
    }

    private async Task<MembershipTableData> WriteMissingAsync(
        MembershipMemory known, RedisValue owner, CancellationToken cancellationToken)
    {
        await inner.InitializeMembershipTableAsync(true, cancellationToken);
        for (var written = 0; ;)
        {
            var table = await inner.ReadAllAsync(cancellationToken);
            if (known.MissingFrom(table, dead: known.IsNewerThan(table)).FirstOrDefault() is { } row)
            {
                written += await WriteAsync(row, table, cancellationToken) ? 1 : 0;
            }
            else if (table.Version.Version > known.Version || table.Members.Count == 0)
            {
                Log.MembershipRestored(log, written, table.Version.Version);
                return table;
            }
            else
            {
                await RaiseVersionAsync(table, known.Version, owner, cancellationToken);
            }
        }
    }

    /// <returns>False: another silo wrote in between.</returns>
    private Task<bool> WriteAsync(MembershipEntry known, MembershipTableData table, CancellationToken cancellationToken)
    {
        var row = MembershipMemory.Copy(known, known.Status);
        if (row.SiloAddress.Equals(self) || row.IAmAliveTime == default)
            row.IAmAliveTime = clock.GetUtcNow().UtcDateTime;
        return table.TryGet(row.SiloAddress) is { } found
            ? inner.UpdateRowAsync(row, found.Item2, table.Version.Next(), cancellationToken)
            : inner.InsertRowAsync(row, table.Version.Next(), cancellationToken);
    }

    /// <summary>
    /// The provider counts by one for each write, so a row is written again until the version is above the known one.
    /// </summary>
    private async Task RaiseVersionAsync(
        MembershipTableData table, int above, RedisValue owner, CancellationToken cancellationToken)
    {
        var row = (table.TryGet(self) ?? table.Members[0]).Item1.SiloAddress;
        for (var writes = 1; ; writes++)
        {
            var found = await inner.ReadRowAsync(row, cancellationToken);
            if (found.Version.Version > above || found.TryGet(row) is not { } mine)
                return;
            await inner.UpdateRowAsync(mine.Item1, mine.Item2, found.Version.Next(), cancellationToken);
            if (writes % WritesPerLockRenewal == 0)
                await redis.LockExtendAsync(key, owner, LockTime);
        }
    }
}
