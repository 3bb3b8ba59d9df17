namespace OrleansPd.Core.Attempts;

/// <summary>
/// Limits retries to a share of the traffic, so that an outage does not cause a retry storm. Each first attempt earns
/// <see cref="Share"/> of a retry, up to a reserve that also lets an idle gateway retry. Thread-safe.
/// </summary>
public sealed class RetryBudget
{
    private const int Unit = 1000;
    private readonly int _earn;
    private readonly int _maximum;
    private int _balance;

    /// <param name="share">Retries per first attempt, 0 to 1. Default 0.2, as in Finagle and Envoy.</param>
    /// <param name="reserve">
    /// Retries available at the start, and the maximum, 0 to 1,000,000. Default 1,000: what one or two engines hold, because all
    /// requests of a dead engine must be retried at once.
    /// </param>
    public RetryBudget(double share = 0.2, int reserve = 1000)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(reserve);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(reserve, 1_000_000);
        Share = share;
        _earn = (int)(share * Unit);
        _maximum = reserve * Unit;
        _balance = _maximum;
    }

    public double Share { get; }

    /// <summary>Call once per request, at its first attempt.</summary>
    public void Earn()
    {
        // A lost race loses a fraction of a retry: not worth a loop on the request path.
        var balance = Volatile.Read(ref _balance);
        if (balance < _maximum)
            Interlocked.CompareExchange(ref _balance, Math.Min(_maximum, balance + _earn), balance);
    }

    /// <summary>Takes one retry if one is left.</summary>
    public bool TryTake()
    {
        while (true)
        {
            var balance = Volatile.Read(ref _balance);
            if (balance < Unit)
                return false;
            if (Interlocked.CompareExchange(ref _balance, balance - Unit, balance) == balance)
                return true;
        }
    }
}
