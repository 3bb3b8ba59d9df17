using System.Collections.Immutable;

namespace OrleansPd.Cluster.Membership;

/// <summary>Which gateways live: each is named by the address of its silo, which is never another's.</summary>
internal sealed class ClusterMembers(IClusterMembershipService membership, ILocalSiloDetails local)
{
    private readonly CancellationTokenSource _leaving = new();
    private View? _view;

    /// <summary>The gateway of this process.</summary>
    public string Self { get; } = NameOf(local.SiloAddress);

    /// <summary>This silo is on its way out: what its grains would wait for with others is over.</summary>
    public CancellationToken Leaving => _leaving.Token;

    public void Leave() => _leaving.Cancel();

    public static string NameOf(SiloAddress silo) => silo.ToParsableString();

    /// <summary>Taken for dead by the cluster. What is not known may be new.</summary>
    public bool IsDead(string gateway) => Current.Dead.Contains(Owner(gateway));

    /// <summary>All that may hold something.</summary>
    public IEnumerable<string> Living() => Current.Living;

    /// <summary>The other gateways that serve, and their silos.</summary>
    public IEnumerable<(string Gateway, SiloAddress Silo)> Others() => membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active && !m.SiloAddress.Equals(local.SiloAddress))
        .Select(m => (NameOf(m.SiloAddress), m.SiloAddress));

    /// <summary>
    /// The silo that stands behind this one in the order of names, and so remembers what this one has; null = it is alone.
    /// </summary>
    public SiloAddress? Successor()
    {
        var self = local.SiloAddress;
        var living = membership.CurrentSnapshot.Members.Values.Where(
            m => m.Status == SiloStatus.Active && !m.SiloAddress.Equals(self))
            .Select(m => m.SiloAddress).OrderBy(a => a).ToArray();
        return living.FirstOrDefault(a => a.CompareTo(self) > 0) ?? living.FirstOrDefault();
    }

    /// <summary>Names each gateway once when it is found dead.</summary>
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

    /// <summary>A holder of credits that is no gateway: a trial of a worker whose writer is on that silo.</summary>
    public string ReadinessHolder(string worker) => $"{Self}/trial/{worker}";

    /// <summary>Whether a holder of credits is a gateway and not a trial's.</summary>
    public static bool IsGateway(string holder) => Owner(holder) == holder;

    private View Current
    {
        get
        {
            var snapshot = membership.CurrentSnapshot;
            var view = Volatile.Read(ref _view);
            if (view is null || !ReferenceEquals(view.Of, snapshot))
            {
                Volatile.Write(ref _view, view = View.From(snapshot));
            }
            return view;
        }
    }

    private static string Owner(string holder) =>
        holder.IndexOf("/trial/", StringComparison.Ordinal) is > 0 and var end ? holder[..end] : holder;

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
