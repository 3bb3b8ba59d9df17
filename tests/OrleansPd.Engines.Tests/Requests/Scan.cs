using System.Text;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

internal static class Scan
{
    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    public static RequestShape Ok(string body, Dialect dialect) => Ok(Utf8(body), dialect);

    public static RequestShape Ok(byte[] body, Dialect dialect)
    {
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out var error), error.Message);
        return shape;
    }

    public static ScanError Refused(string body, Dialect dialect) => Refused(Utf8(body), dialect);

    public static ScanError Refused(byte[] body, Dialect dialect)
    {
        Assert.False(RequestScanner.TryScan(body, dialect, ScanLimits.Default, new RequestShape(), out var error));
        Assert.InRange(error.Offset, 0, body.Length);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        return error;
    }

    public static string At(this Slice slice, string body) => Encoding.UTF8.GetString(slice.Of(Utf8(body)));
}
