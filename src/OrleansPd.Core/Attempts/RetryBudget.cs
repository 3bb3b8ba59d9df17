namespace OrleansPd.Core.Attempts;

/// <summary>
/// Keeps retries to a share of the traffic, so that an outage does not turn into a storm: each first attempt earns
/// <see cref="Share"/> of a retry, up to a reserve that also lets a quiet gateway retry. Thread-safe.
/// </summary>
public sealed class RetryBudget
{
    private const int Unit = 1000;
    private readonly int _earn;
    private readonly int _most;
    private int _balance;

    /// <param name="share">Retries per first attempt, 0 to 1. 0.2 by default: the figure that Finagle and Envoy use.</param>
    /// <param name="reserve">
    /// Retries that are there without traffic, and the most that are ever at hand, 0 to 1,000,000. Default 1,000: what one or two
    /// engines hold, since all that was on an engine that dies must be able to go elsewhere at once.
    /// </param>
    public RetryBudget(double share = 0.2, int reserve = 1000)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(reserve);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(reserve, 1_000_000);
        Share = share;
        _earn = (int)(share * Unit);
        _most = reserve * Unit;
        _balance = _most;
    }

    public double Share { get; }

    /// <summary>Called once for each request's first attempt.</summary>
    public void Earn()
    {
        // A lost race loses a thousandth of a retry; not worth a loop on the hot path.
        var balance = Volatile.Read(ref _balance);
        if (balance < _most)
        {
            Interlocked.CompareExchange(ref _balance, Math.Min(_most, balance + _earn), balance);
        }
    }

    /// <summary>Takes one retry if there is one.</summary>
    public bool TryTake()
    {
        while (true)
        {
            var balance = Volatile.Read(ref _balance);
            if (balance < Unit)
            {
                return false;
            }
            if (Interlocked.CompareExchange(ref _balance, balance - Unit, balance) == balance)
            {
                return true;
            }
        }
    }
}
