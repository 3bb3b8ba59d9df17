namespace OrleansPd.Cluster.Membership;

/// <summary>The gateways of the cluster. The id of a gateway is the address of its silo, which is never reused.</summary>
internal sealed class ClusterMembers(IClusterMembershipService membership, ILocalSiloDetails local)
{
    // Part of ids that silos exchange.
    private const string ReadinessMark = "/trial/";
    private readonly CancellationTokenSource _leaving = new();
    private View? _view;

    public string Self { get; } = NameOf(local.SiloAddress);

    /// <summary>Cancelled when this silo stops: its grains must not wait for others any more.</summary>
    public CancellationToken Leaving => _leaving.Token;

    public void Leave() => _leaving.Cancel();

    public static string NameOf(SiloAddress silo) => silo.ToParsableString();

    /// <summary>Whether the cluster has declared the gateway dead. An unknown gateway may be new and counts as alive.</summary>
    public bool IsDead(string gateway) => Current.Dead.Contains(Owner(gateway));

    public IEnumerable<string> Living() => Current.Living;

    public IEnumerable<(string Gateway, SiloAddress Silo)> Others() => membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active && !m.SiloAddress.Equals(local.SiloAddress))
        .Select(m => (NameOf(m.SiloAddress), m.SiloAddress));

    /// <summary>The next silo in the order of addresses: it stores the requests of this gateway. Null = no other silo.</summary>
    public SiloAddress? Successor()
    {
        var self = local.SiloAddress;
        var living = membership.CurrentSnapshot.Members.Values.Where(
            m => m.Status == SiloStatus.Active && !m.SiloAddress.Equals(self))
            .Select(m => m.SiloAddress).OrderBy(a => a).ToArray();
        return living.FirstOrDefault(a => a.CompareTo(self) > 0) ?? living.FirstOrDefault();
    }

    public async IAsyncEnumerable<string> DeathsAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var known = ImmutableHashSet<string>.Empty;
        await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            foreach (var dead in snapshot.Members.Values.Where(m => m.Status == SiloStatus.Dead)
                .Select(m => NameOf(m.SiloAddress)))
            {
                if (!known.Contains(dead))
                {
                    known = known.Add(dead);
                    yield return dead;
                }
            }
        }
    }

    /// <summary>
    /// Id under which the readiness checks of a worker hold credits; it contains the silo of the worker's grain.
    /// </summary>
    public string ReadinessHolder(string worker) => Self + ReadinessMark + worker;

    /// <summary>Whether a holder of credits is a gateway, not a readiness check.</summary>
    public static bool IsGateway(string holder) => Owner(holder) == holder;

    private View Current
    {
        get
        {
            var snapshot = membership.CurrentSnapshot;
            var view = Volatile.Read(ref _view);
            if (view is null || !ReferenceEquals(view.Of, snapshot))
                Volatile.Write(ref _view, view = View.From(snapshot));
            return view;
        }
    }

    private static string Owner(string holder) =>
        holder.IndexOf(ReadinessMark, StringComparison.Ordinal) is > 0 and var end ? holder[..end] : holder;

    public static bool IsOf(string holder, string gateway) => Owner(holder) == gateway;

    private sealed record View(ClusterMembershipSnapshot Of, ImmutableHashSet<string> Dead, ImmutableArray<string> Living)
    {
        public static View From(ClusterMembershipSnapshot snapshot) => new(
            snapshot,
            [.. snapshot.Members.Values.Where(m => m.Status == SiloStatus.Dead).Select(m => NameOf(m.SiloAddress))],
            [.. snapshot.Members.Values.Where(
                m => m.Status is SiloStatus.Active or SiloStatus.ShuttingDown or SiloStatus.Stopping)
                .Select(m => NameOf(m.SiloAddress))]);
    }
}
