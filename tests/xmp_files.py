"""XMP as other programs lay it out, written by hand after what is published of each; all of it is invented."""

from __future__ import annotations

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MWG = """
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#\""""
MICROSOFT = """
    xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#\""""

DIGIKAM = f"""<?xml version="1.0" encoding="UTF-8"?>
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"{MWG}{MICROSOFT}
   digiKam:PickLabel="0"
   exif:DateTimeOriginal="2011-07-03T16:20:11"
   xmp:CreateDate="2011-07-03T16:20:12"
   xmp:Rating="4">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Ines Krüger</rdf:li>
     <rdf:li>Places/Lake</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <MicrosoftPhoto:LastKeywordXMP>
    <rdf:Bag>
     <rdf:li>People/Ines Krüger</rdf:li>
    </rdf:Bag>
   </MicrosoftPhoto:LastKeywordXMP>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>People|Ines Krüger</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Ines Krüger</rdf:li>
     <rdf:li>Lake</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions
     stDim:w="4000"
     stDim:h="3000"
     stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description
        mwg-rs:Name="Ines Krüger"
        mwg-rs:Type="Face">
       <mwg-rs:Area
        stArea:x="0.25"
        stArea:y="0.5"
        stArea:w="0.125"
        stArea:h="0.25"
        stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions>
     <rdf:Bag>
      <rdf:li
       MPReg:PersonDisplayName="Ines Krüger"
       MPReg:Rectangle="0.1875, 0.375, 0.125, 0.25"/>
     </rdf:Bag>
    </MPRI:Regions>
   </MP:RegionInfo>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

LIGHTROOM = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00 ">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"{MWG}
   tiff:Orientation="6"
   photoshop:DateCreated="2019-05-04T10:11:12.34"
   crs:Exposure2012="+0.50">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li
      stEvt:action="saved"
      stEvt:changed="/metadata"/>
    </rdf:Seq>
   </xmpMM:History>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions
     stDim:w="6000"
     stDim:h="4000"
     stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description
        mwg-rs:Rotation="-1.57080"
        mwg-rs:Name="Milo Sand"
        mwg-rs:Type="Face">
       <mwg-rs:Area
        stArea:h="0.25"
        stArea:w="0.125"
        stArea:x="0.5"
        stArea:y="0.25"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li>
       <rdf:Description
        mwg-rs:Rotation="-1.57080"
        mwg-rs:Type="Face">
       <mwg-rs:Area
        stArea:h="0.25"
        stArea:w="0.125"
        stArea:x="0.75"
        stArea:y="0.25"/>
       </rdf:Description>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Milo Sand</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>Family|Cousins|Milo Sand</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

PICASA = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?> \
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 5.1.2"> \
<rdf:RDF xmlns:rdf="{RDF}"> \
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" \
xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" \
xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" \
xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" \
xmp:ModifyDate="2012-02-04T12:48:45+01:00"> \
<mwg-rs:Regions rdf:parseType="Resource"> \
<mwg-rs:AppliedToDimensions stDim:w="2592" stDim:h="1944" stDim:unit="pixel"/> \
<mwg-rs:RegionList> \
<rdf:Bag> \
<rdf:li rdf:parseType="Resource"> \
<mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:w="0.25" stArea:h="0.25" stArea:unit="normalized"/> \
<mwg-rs:Name>Otto &amp; Söhne</mwg-rs:Name> \
<mwg-rs:Type>Face</mwg-rs:Type> \
</rdf:li> \
</rdf:Bag> \
</mwg-rs:RegionList> \
</mwg-rs:Regions> \
</rdf:Description> \
</rdf:RDF> \
</x:xmpmeta> {" " * 200}<?xpacket end="w"?>"""

IMMICH = f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 13.00'>
<rdf:RDF xmlns:rdf='{RDF}'>

 <rdf:Description rdf:about=''
  xmlns:digiKam='http://www.digikam.org/ns/1.0/'>
  <digiKam:TagsList>
   <rdf:Seq>
    <rdf:li>Trips/North Sea</rdf:li>
   </rdf:Seq>
  </digiKam:TagsList>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:exif='http://ns.adobe.com/exif/1.0/'>
  <exif:DateTimeOriginal>2023-08-01T09:10:11.000+02:00</exif:DateTimeOriginal>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/'
  xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#'
  xmlns:stDim='http://ns.adobe.com/xap/1.0/sType/Dimensions#'>
  <mwg-rs:Regions rdf:parseType='Resource'>
   <mwg-rs:AppliedToDimensions rdf:parseType='Resource'>
    <stDim:h>3000</stDim:h>
    <stDim:unit>pixel</stDim:unit>
    <stDim:w>4000</stDim:w>
   </mwg-rs:AppliedToDimensions>
   <mwg-rs:RegionList>
    <rdf:Bag>
     <rdf:li rdf:parseType='Resource'>
      <mwg-rs:Area rdf:parseType='Resource'>
       <stArea:h>0.25</stArea:h>
       <stArea:unit>normalized</stArea:unit>
       <stArea:w>0.25</stArea:w>
       <stArea:x>0.375</stArea:x>
       <stArea:y>0.625</stArea:y>
      </mwg-rs:Area>
      <mwg-rs:Name>Noor</mwg-rs:Name>
      <mwg-rs:Type>Face</mwg-rs:Type>
     </rdf:li>
    </rdf:Bag>
   </mwg-rs:RegionList>
  </mwg-rs:Regions>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>"""

WINDOWS = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\r
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">\
<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b" xmlns:dc="http://purl.org/dc/elements/1.1/">\
<dc:subject><rdf:Bag><rdf:li>Beach</rdf:li></rdf:Bag></dc:subject></rdf:Description>\
<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b" xmlns:MP="http://ns.microsoft.com/photo/1.2/">\
<MP:RegionInfo><rdf:Description xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#">\
<MPRI:Regions><rdf:Bag xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">\
<rdf:li><rdf:Description><MPReg:Rectangle>0.25, 0.125, 0.25, 0.5</MPReg:Rectangle>\
<MPReg:PersonDisplayName>Carla Roy</MPReg:PersonDisplayName>\
<MPReg:PersonEmailDigest>00000000000000000000000000000000000000AA</MPReg:PersonEmailDigest>\
</rdf:Description></rdf:li>\
<rdf:li><rdf:Description><MPReg:PersonDisplayName>Uncle Ben</MPReg:PersonDisplayName></rdf:Description></rdf:li>\
</rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo></rdf:Description>\
</rdf:RDF></x:xmpmeta>\r
{" " * 100}<?xpacket end='w'?>"""

OSXPHOTOS = f"""<!-- Created with osxphotos -->
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="osxphotos">
<!-- mirrors Photos 5 "Export IPTC as XMP" option -->
    <rdf:RDF xmlns:rdf="{RDF}">
    <rdf:Description rdf:about=""
        xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">
    <photoshop:SidecarForExtension>jpeg</photoshop:SidecarForExtension>
    <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Picnic</rdf:li></rdf:Alt></dc:title>
    <!-- keywords and persons listed in <dc:subject> as Photos does -->
    <dc:subject>
        <rdf:Bag>
            <rdf:li>Summer</rdf:li>
            <rdf:li>Tove</rdf:li>
        </rdf:Bag>
    </dc:subject>
    <photoshop:DateCreated>2020-04-11T12:34:56.350000-06:00</photoshop:DateCreated>
    </rdf:Description>
    <rdf:Description rdf:about=''
        xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'>
        <Iptc4xmpExt:PersonInImage>
            <rdf:Bag>
                <rdf:li>Tove</rdf:li>
            </rdf:Bag>
        </Iptc4xmpExt:PersonInImage>
    </rdf:Description>
    <rdf:Description rdf:about=''{MICROSOFT}{MWG}>
        <mwg-rs:Regions rdf:parseType="Resource">
            <mwg-rs:AppliedToDimensions rdf:parseType="Resource">
                <stDim:h>2000</stDim:h>
                <stDim:w>1000</stDim:w>
                <stDim:unit>pixel</stDim:unit>
            </mwg-rs:AppliedToDimensions>
            <mwg-rs:RegionList>
                <rdf:Bag>
                    <rdf:li rdf:parseType="Resource">
                        <mwg-rs:Name>Tove</mwg-rs:Name>
                        <mwg-rs:Type>Face</mwg-rs:Type>
                        <mwg-rs:Area rdf:parseType="Resource">
                            <stArea:x>0.5</stArea:x>
                            <stArea:y>0.25</stArea:y>
                            <stArea:d>0.5</stArea:d>
                            <stArea:unit>normalized</stArea:unit>
                        </mwg-rs:Area>
                    </rdf:li>
                </rdf:Bag>
            </mwg-rs:RegionList>
        </mwg-rs:Regions>
        <MP:RegionInfo rdf:parseType="Resource">
            <MPRI:Regions>
                <rdf:Bag>
                    <rdf:li rdf:parseType="Resource">
                        <MPReg:PersonDisplayName>Tove</MPReg:PersonDisplayName>
                        <MPReg:Rectangle>0.25, 0.125, 0.5, 0.25</MPReg:Rectangle>
                    </rdf:li>
                </rdf:Bag>
            </MPRI:Regions>
        </MP:RegionInfo>
    </rdf:Description>
    </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""

LAYOUTS = {
    "digikam": DIGIKAM,
    "lightroom": LIGHTROOM,
    "picasa": PICASA,
    "immich": IMMICH,
    "windows": WINDOWS,
    "osxphotos": OSXPHOTOS,
}


def xmp(properties: str = "", attributes: str = "", around: str = "") -> bytes:
    """A file with properties in one description, which declares every prefix that is used here."""
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{MWG}{MICROSOFT} {attributes}>
   {properties}
  </rdf:Description>{around}
 </rdf:RDF>
</x:xmpmeta>
""".encode()


def regions(
    area: str, size: str = 'stDim:w="4000" stDim:h="3000" stDim:unit="pixel"', name: str = "Ada"
) -> bytes:
    """A file with one region of the Metadata Working Group, of an area that is given as attributes."""
    applied = f"<mwg-rs:AppliedToDimensions {size}/>" if size else ""
    return xmp(
        f'<mwg-rs:Regions rdf:parseType="Resource">{applied}<mwg-rs:RegionList><rdf:Bag>'
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Area {area}/></rdf:li>'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def rectangle(text: str) -> bytes:
    """A file with one region of Microsoft's."""
    return xmp(
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        f'<rdf:li MPReg:PersonDisplayName="Ada" MPReg:Rectangle="{text}"/>'
        "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )
