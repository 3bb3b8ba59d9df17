using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>Checks the syntax of keys and address lists before the gateway listens.</summary>
internal static class SecurityChecks
{
    /// <exception cref="BadInputException">A value is invalid; the message never contains a key.</exception>
    public static void Check(GatewayOptions options, List<string> warnings)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "api-key" };
        for (var i = 0; i < options.ClientKeys.Count; i++)
        {
            try
            {
                var spec = ClientKeySpec.Parse(options.ClientKeys[i]);
                if (!names.Add(spec.Name))
                {
                    throw new FormatException($"the name '{spec.Name}' is taken");
                }
            }
            catch (FormatException error)
            {
                throw new BadInputException($"--client-keys: key number {i + 1} is invalid: {error.Message}.");
            }
        }

        try
        {
            _ = new WorkerAllowList(options.WorkerUrlAllow);
        }
        catch (FormatException error)
        {
            throw new BadInputException($"--worker-url-allow: {error.Message}.");
        }

        var clientsNeedKeys = options.ClientKeys.Count > 0 || !string.IsNullOrEmpty(options.ApiKey);
        if (clientsNeedKeys && string.IsNullOrEmpty(options.AdminApiKey))
        {
            warnings.Add("--admin-api-key is not set: every client with a key can change the fleet and pause engines.");
        }
    }
}
