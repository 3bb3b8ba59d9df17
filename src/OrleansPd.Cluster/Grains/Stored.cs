using Orleans.Storage;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// Writes a grain's state. If storage was lost meanwhile, it is filled again from memory. If another activation has changed
/// the state, it is not overwritten: the exception ends this activation, and the next one reads the state.
/// </summary>
internal static class Stored
{
    /// <summary>
    /// The epoch of a new activation: higher than the stored one, even if this silo's clock is behind that of the former silo.
    /// Readers ignore updates of lower epochs.
    /// </summary>
    public static long NextEpoch(long stored, DateTimeOffset now) => Math.Max(stored + 1, now.UtcTicks);

    /// <summary>
    /// Stores the epoch of a new activation. If storage fails it is stored with the next change; until then only an activation
    /// on a slower clock could get a lower one. With nothing stored nothing is written, so that lost storage stays recognizable.
    /// </summary>
    public static async Task SaveEpochAsync<T>(this IPersistentState<T> stored, T value, string what, ILogger log)
    {
        if (!stored.RecordExists)
            return;
        try
        {
            await stored.SaveAsync(value, what, log);
        }
        catch (Exception e) when (e is not InconsistentStateException)
        {
            Log.NotStored(log, $"the epoch of {what}", e.Message);
        }
    }

    public static async Task SaveAsync<T>(this IPersistentState<T> stored, T value, string what, ILogger log)
    {
        stored.State = value;
        try
        {
            await stored.WriteStateAsync();
        }
        catch (InconsistentStateException)
        {
            await stored.ReadStateAsync();
            if (stored.RecordExists)
                throw;
            Log.StoredAgain(log, what);
            stored.State = value;
            await stored.WriteStateAsync();
        }
    }
}
