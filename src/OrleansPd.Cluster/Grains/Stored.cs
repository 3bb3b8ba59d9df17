using Microsoft.Extensions.Logging;
using Orleans.Storage;
using OrleansPd.Cluster.Telemetry;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// Writes a grain's state. Storage that was emptied behind us is filled again from memory; a state that another writer has
/// changed is not overwritten: the exception ends this activation, and the next one reads it.
/// </summary>
internal static class Stored
{
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
            {
                throw;
            }
            Log.StoredAgain(log, what);
            stored.State = value;
            await stored.WriteStateAsync();
        }
    }
}
